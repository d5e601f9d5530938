"""The threads that read."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from submarine_jupyter_server.store.sqlite import failures
from submarine_jupyter_server.store.sqlite.connection import BUSY_S, abandon, control
from submarine_jupyter_server.store.sqlite.failures import Damaged

from .job_threads import Job, JobOutcome, Jobs, T

log = logging.getLogger(__name__)
COUNT = 2


class Readers:
    """Run each job in a read transaction of its own: it sees one state of the database throughout."""

    def __init__(self, path: Path, engine: Engine, damaged: Callable[[Damaged], None]) -> None:
        self._path = path
        self._engine = engine
        self._damaged = damaged
        self._jobs = Jobs()
        self._threads = [
            threading.Thread(target=self._work, name=f"submarine store reader {index}", daemon=True)
            for index in range(COUNT)
        ]
        for thread in self._threads:
            thread.start()

    def put(self, run: Callable[[Connection], T]) -> asyncio.Future[T]:
        """Queue a job."""
        return self._jobs.put(run)

    def close(self) -> None:
        """Do what is queued, then end."""
        self._jobs.close(COUNT)
        for thread in self._threads:
            thread.join(2 * BUSY_S)
        self._engine.dispose()

    def _work(self) -> None:
        tx: Connection | None = None
        while jobs := self._jobs.take(1):
            try:
                tx = tx or self._engine.connect()
                outcome = JobOutcome(_read(tx, jobs[0]))
            except Exception as error:  # noqa: BLE001 - it goes to the caller
                outcome = JobOutcome(error=self._explained(error))
                if tx is not None and (failures.is_disk(error) or failures.is_damage(error)):
                    tx.close()
                    tx = None
            self._jobs.settle([(jobs[0], outcome)])
        if tx is not None:
            tx.close()

    def _explained(self, error: Exception) -> Exception:
        if not isinstance(error, DBAPIError | sqlite3.Error):
            return error
        explained = failures.explain(error, self._path)
        if isinstance(explained, Damaged):
            self._damaged(explained)
        if explained is None:
            return error
        explained.__cause__ = error
        return explained


def _read(tx: Connection, job: Job) -> object:
    try:
        control(tx, "BEGIN")
        return job.run(tx)
    finally:
        abandon(tx)
