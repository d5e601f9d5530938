"""The one thread that writes."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import Callable

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from submarine_jupyter.errors import Unavailable
from submarine_jupyter_server.process.failpoints import reach
from submarine_jupyter_server.store.engine.memory import forget
from submarine_jupyter_server.store.engine.space import mark
from submarine_jupyter_server.store.sqlite import failures, schema
from submarine_jupyter_server.store.sqlite.connection import BUSY_S, abandon, control, raw_of
from submarine_jupyter_server.store.sqlite.failures import Damaged
from submarine_jupyter_server.store.sqlite.file.opening import Opened

from .job_threads import Job, JobOutcome, JobOutcomes, Jobs, T

log = logging.getLogger(__name__)
# So many jobs share one transaction, and so the wait for the disk.
GROUP = 256


class Writer:
    """Runs jobs one after the other in ``BEGIN IMMEDIATE`` transactions.

    In its thread it calls ``committed`` after each, and ``outdated`` when the schema has become newer than this code.
    """

    def __init__(self, opened: Opened, committed: Callable[[], None], outdated: Callable[[], None]) -> None:
        self._path = opened.path
        self._engine = opened.engine
        self._ballast = opened.ballast
        self._notices = opened.notices
        self._tx: Connection | None = opened.tx
        self._committed = committed
        self._outdated = outdated
        self._jobs = Jobs()
        self._layout: int | None = None
        self._damage: Damaged | None = None
        self._thread = threading.Thread(target=self._work, name="submarine store writer", daemon=True)
        self._thread.start()

    def put(self, run: Callable[[Connection], T]) -> asyncio.Future[T]:
        """Queue a job; its future is done when the transaction is on disk."""
        return self._jobs.put(run)

    def close(self) -> None:
        """Do what is queued, then end; waits for it a little longer than a lock may last."""
        self._jobs.close(1)
        self._thread.join(2 * BUSY_S)

    def raw(self) -> sqlite3.Connection:
        """Return the driver's connection, for the backup: a copy made through it does not stop our own writes."""
        tx = self._tx
        if tx is None:
            raise Unavailable(f"The database {self._path} cannot be accessed now.", hint="Try again in a moment.")
        return raw_of(tx)

    def condemn(self, damage: Damaged) -> None:
        """Write no more: a reader found the file damaged."""
        self._damage = damage

    def _work(self) -> None:
        while jobs := self._jobs.take(GROUP):
            try:
                self._settle(jobs)
            except Exception as error:  # the root of this thread
                log.exception("The database writer failed")
                self._jobs.settle([(job, JobOutcome(error=error)) for job in jobs if not job.settled])
        self._disconnect()

    def _settle(self, jobs: list[Job]) -> None:
        """Run jobs in one transaction and give each its outcome."""
        try:
            if self._damage is not None:
                raise Damaged(self._damage.message, hint=self._damage.hint)
            outcomes = self._transact_or_make_room(jobs)
        except Exception as error:  # noqa: BLE001 - it goes to the callers
            outcome = JobOutcome(error=self._explained(error))
            self._jobs.settle([(job, outcome) for job in jobs if not job.settled])
            return
        self._jobs.settle(outcomes)
        # Who wrote comes first: at the first word the event loop takes the interpreter, and keeps it while it has work.
        if outcomes:
            self._committed()

    def _transact_or_make_room(self, jobs: list[Job]) -> JobOutcomes:
        """Run jobs in one transaction; when the disk is full, once more on the ballast's space."""
        self._ballast.restore()
        if not self._ballast.released:
            self._notices.drop("disk")
        try:
            return self._transact(jobs)
        except (DBAPIError, sqlite3.Error) as error:
            if self._ballast.released or not failures.is_full(error, self._path):
                raise
        # After an error of the file system what SQLite holds in memory may differ from the disk.
        self._disconnect()
        self._ballast.release()
        self._notices.put("disk", f"The disk of {self._path.parent} is full: only what ends is recorded from now on.")
        return self._transact([job for job in jobs if not job.settled])

    def _transact(self, jobs: list[Job]) -> JobOutcomes:
        if self._tx is None:
            self._tx = self._engine.connect()
        tx = self._tx
        try:
            mark(tx, full=self._ballast.released)
            jobs = self._begin(tx, jobs)
            if not jobs:
                return []
            reach("tx_begin")
            self._check_layout(tx)
            outcomes = [(job, self._run(tx, job)) for job in jobs]
            reach("tx_commit_before")
            tx.commit()
        except BaseException:
            forget(tx)
            raise
        finally:
            abandon(tx)
        reach("tx_commit_after")
        return outcomes

    def _begin(self, tx: Connection, jobs: list[Job]) -> list[Job]:
        """Take the write lock; return the jobs that had the patience to wait for it.

        Nobody waits much longer than BUSY_S in all, those included who queued behind somebody who did.
        """
        while jobs:
            wait = max(0.25, jobs[0].deadline - time.monotonic())
            control(tx, f"PRAGMA busy_timeout = {int(wait * 1000)}")
            try:
                control(tx, "BEGIN IMMEDIATE")
            except sqlite3.Error as error:
                if not failures.is_busy(error):
                    raise
                abandon(tx)
                now = time.monotonic()
                late = [job for job in jobs if job is jobs[0] or job.deadline <= now]
                jobs = [job for job in jobs if job not in late]
                self._jobs.settle([(job, JobOutcome(error=self._explained(error))) for job in late])
            else:
                control(tx, f"PRAGMA busy_timeout = {int(BUSY_S * 1000)}")
                break
        return jobs

    def _check_layout(self, tx: Connection) -> None:
        """Refuse to write when a server of a newer version has migrated the file while we had it open."""
        layout = control(tx, "PRAGMA schema_version").fetchone()[0]
        if layout != self._layout:
            if schema.examine(tx) is not schema.Schema.CURRENT:
                self._outdated()
                raise failures.newer(self._path)
            self._layout = layout

    def _run(self, tx: Connection, job: Job) -> JobOutcome:
        """Run one job so that it fails alone, unless SQLite or the disk gave up on the whole transaction."""
        control(tx, "SAVEPOINT job")
        try:
            value = job.run(tx)
        except Exception as error:
            ours = isinstance(error, DBAPIError) and failures.explain(error, self._path) is not None
            if ours or not raw_of(tx).in_transaction:
                raise
            forget(tx)
            control(tx, "ROLLBACK TO job")
            control(tx, "RELEASE job")
            return JobOutcome(error=error)
        control(tx, "RELEASE job")
        return JobOutcome(value)

    def _explained(self, error: Exception) -> Exception:
        explained = failures.explain(error, self._path)
        if isinstance(explained, Damaged):
            self._damage = explained
        if failures.is_disk(error) or failures.is_damage(error):
            # What SQLite holds in memory may differ from the disk now: go on with a new connection.
            self._disconnect()
        if explained is None or explained is error:
            return error
        explained.__cause__ = error
        return explained

    def _disconnect(self) -> None:
        tx, self._tx = self._tx, None
        if tx is not None:
            tx.close()
