"""Search the logs of an experiment: in threads of its own, a slice at a time, so that nobody waits for a search.

Searches take turns, so that fifty at once starve neither each other nor those who follow logs. One that is answered
before it has come to the end says where to go on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from typing import TypeVar, TypeVarTuple

from submarine_jupyter.errors import TooManyRequests, Unavailable
from submarine_jupyter_server.logs.archive import LogArchive
from submarine_jupyter_server.logs.lines.pages import chosen
from submarine_jupyter_server.logs.position import Position
from submarine_jupyter_server.logs.search.scan import LogSearch, SearchQuery
from submarine_jupyter_server.process.daemon_threads import DaemonPool
from submarine_jupyter_server.services.logs.log_attempt import attempt_of, attended, removed
from submarine_jupyter_server.services.principal import Principal
from submarine_jupyter_server.store.engine.database import Database
from submarine_jupyter_server.store.experiments import ExperimentRow
from submarine_jupyter_server.targets.protocol import ComputeTarget
from submarine_jupyter_server.wire.answers.logs import FoundInLogs

THREADS = 2
MAX_SEARCHES = 64
ANSWER_S = 10.0

_Result = TypeVar("_Result")
_Args = TypeVarTuple("_Args")


class LogSearcher:
    """Searches the logs of the experiments that exist."""

    def __init__(self, db: Database, archive: LogArchive, targets: Mapping[str, ComputeTarget]) -> None:
        self._db = db
        self._archive = archive
        self._targets = targets
        self._threads = DaemonPool(THREADS, "submarine-search")
        self._closed = False
        self.running = 0
        """How many searches go on."""

    def close(self) -> None:
        """End all searches, and the threads once they are done."""
        self._closed = True
        self._threads.shutdown(wait=False)

    async def search(self, principal: Principal, experiment_id: str, query: SearchQuery) -> FoundInLogs:
        """Return the matches of ``query``, after ``ANSWER_S`` those so far.

        Raises NotFound, TooManyRequests, Unavailable.
        """
        if self.running >= MAX_SEARCHES:
            raise TooManyRequests(
                f"This server already carries out {MAX_SEARCHES} searches, the most it allows.",
                hint="Try again in a moment.",
            )
        self.running += 1
        try:
            return await self._search(principal, experiment_id, query)
        finally:
            self.running -= 1

    async def _search(self, principal: Principal, experiment_id: str, query: SearchQuery) -> FoundInLogs:
        wanted = query.attempt
        row, wrote = await self._db.read(lambda tx: attempt_of(tx, principal, experiment_id, wanted))
        until = time.monotonic() + ANSWER_S
        async with attended(self._targets, row):
            search = await self._in_turn(self._begin, row, wrote, query, wanted)
            while (more := await self._in_turn(search.step)) and time.monotonic() < until:
                pass
        # What was found in one that was deleted meanwhile would pass for all there is.
        await self._db.read(lambda tx: attempt_of(tx, principal, experiment_id, wanted))
        attempt = search.logs[0].attempt if search.logs else row.attempt
        return FoundInLogs(
            experiment_id=row.id,
            next=Position(attempt, search.offsets),
            matches=search.matches,
            truncated=search.cut or ("time" if more else None),
            gaps=search.gaps,
            errors=search.errors,
        )

    def _begin(self, row: ExperimentRow, wrote: Collection[str], query: SearchQuery, wanted: int | None) -> LogSearch:
        gone = removed(self._archive, row.id, wanted or row.attempt, wrote)
        attempt = row.attempt if wrote and wanted is None else wanted
        return LogSearch(chosen(self._archive, row.id, query.replica, attempt, gone), query, gone)

    async def _in_turn(self, function: Callable[[*_Args], _Result], *args: *_Args) -> _Result:
        if self._closed:
            raise Unavailable("The server is stopping.", hint="Search again when it has started.")
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *args)
