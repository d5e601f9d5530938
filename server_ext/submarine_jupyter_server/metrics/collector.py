"""Collect the metrics of running experiments from their logs into the store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Generic

from submarine_jupyter.backoff import Backoff
from submarine_jupyter.errors import InvalidSpec, SubmarineError
from submarine_jupyter_server.logs.archive import LogArchive
from submarine_jupyter_server.metrics.reader import MetricReader, MetricStore, Transactions, Tx
from submarine_jupyter_server.metrics.templates import parse_template

log = logging.getLogger(__name__)
FASTEST_S = 0.5
SLOWEST_S = 3.0
_AFTER_FAILURE_S = 10.0
_LONGEST_S = 60.0
# A watch that nobody ends asks now and then whether its attempt has ended.
_QUIET = 10


class MetricCollector(Generic[Tx]):
    """Reads along with the attempts it watches; belongs to one event loop."""

    def __init__(self, db: Transactions[Tx], archive: LogArchive, store: MetricStore[Tx]) -> None:
        self._db = db
        self._archive = archive
        self._store = store
        self._watched: dict[tuple[str, int], tuple[MetricReader[Tx], asyncio.Task[None]]] = {}
        self._finishing: dict[tuple[str, int], asyncio.Task[None]] = {}

    def watch(self, experiment_id: str, attempt: int, templates: Sequence[str] = ()) -> None:
        """Collect the metrics of an attempt, which need not have begun; doing so again changes nothing.

        ``templates`` are the spec's ``runtime.metrics``. Raises InvalidSpec for a bad one.
        """
        key = (experiment_id, attempt)
        if key not in self._watched:
            reader = self._reader(experiment_id, attempt, templates)
            task = asyncio.create_task(self._follow(reader), name=f"metrics of {experiment_id}")
            self._watched[key] = (reader, task)

    async def drain(self, experiment_id: str, attempt: int, templates: Sequence[str] = ()) -> None:
        """Collect what is left of an attempt that has ended, and watch it no more.

        Raises InvalidSpec for a bad template, and what the store raises: the rest can be drained later then.
        """
        watched = self._watched.get((experiment_id, attempt))
        reader = watched[0] if watched else self._reader(experiment_id, attempt, templates)
        await self.forget(experiment_id, attempt)
        await reader.catch_up(final=True)

    def finish(self, experiment_id: str, attempt: int, templates: Sequence[str] = ()) -> asyncio.Task[None]:
        """Begin to ``drain`` an attempt, again and again until the store takes it; return the task that does."""
        key = (experiment_id, attempt)
        if key not in self._finishing:
            task = asyncio.create_task(self._finish(*key, templates), name=f"last metrics of {experiment_id}")
            self._finishing[key] = task
            task.add_done_callback(lambda _: self._finishing.pop(key, None))
        return self._finishing[key]

    async def forget(self, experiment_id: str, attempt: int) -> None:
        """Watch an attempt no more; what was not read yet stays unread."""
        watched = self._watched.pop((experiment_id, attempt), None)
        if watched is not None:
            watched[1].cancel()
            await asyncio.wait([watched[1]])

    async def close(self) -> None:
        """End all watching; what was not read yet is read when an attempt is finished again."""
        tasks = [task for _, task in self._watched.values()] + list(self._finishing.values())
        self._watched.clear()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _finish(self, experiment_id: str, attempt: int, templates: Sequence[str]) -> None:
        backoff = Backoff(_AFTER_FAILURE_S, _LONGEST_S)
        while True:
            try:
                await self.drain(experiment_id, attempt, templates)
            except InvalidSpec:
                log.exception("The metrics of %s cannot be read", experiment_id)
                return
            except SubmarineError as error:
                log.warning("The last metrics of %s cannot be stored now: %s", experiment_id, error)
            except Exception:
                log.exception("The last metrics of %s cannot be read", experiment_id)
            else:
                return
            await asyncio.sleep(backoff.failed())

    def _reader(self, experiment_id: str, attempt: int, templates: Sequence[str]) -> MetricReader[Tx]:
        parsed = [parse_template(text) for text in templates]
        return MetricReader(self._db, self._archive, self._store, experiment_id, attempt, parsed)

    async def _follow(self, reader: MetricReader[Tx]) -> None:
        """Read again and again, less often while nothing comes, until the attempt is superseded."""
        pause, quiet = FASTEST_S, 0
        while True:
            try:
                over = await self._archive.run(reader.superseded)
                if quiet >= _QUIET:
                    over, quiet = over or await reader.is_over(), 0
                moved = await reader.catch_up(final=over)
            except SubmarineError as error:
                log.warning("The metrics of %s cannot be stored now: %s", reader.experiment_id, error)
                pause = _AFTER_FAILURE_S
            except Exception:
                log.exception("The metrics of %s cannot be read", reader.experiment_id)
                pause = _AFTER_FAILURE_S
            else:
                if over:
                    break
                pause, quiet = (FASTEST_S, 0) if moved else (min(pause * 1.5, SLOWEST_S), quiet + 1)
            await asyncio.sleep(pause)
        self._watched.pop((reader.experiment_id, reader.attempt), None)
