"""The bytes of one replica's log, followed as they come."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass

from submarine_jupyter.errors import NotFound
from submarine_jupyter.models import Status
from submarine_jupyter_server.logs.archive import LogArchive, ReplicaLog
from submarine_jupyter_server.logs.following.follow_bytes import Followed, follow_bytes
from submarine_jupyter_server.logs.following.growth import Growth
from submarine_jupyter_server.services import access
from submarine_jupyter_server.services.logs.log_attempt import attended
from submarine_jupyter_server.services.logs.log_reader import expected_pods
from submarine_jupyter_server.services.principal import Principal
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.engine.database import Database
from submarine_jupyter_server.store.experiments import ExperimentRow
from submarine_jupyter_server.targets.protocol import ComputeTarget


@dataclass(frozen=True, slots=True)
class WantedBytes:
    """The bytes of one replica in one attempt (None: the latest), from ``offset`` or the last ``tail`` of them.

    ``window``: what is so many bytes behind the end is left out.
    """

    experiment_id: str
    replica: str
    attempt: int | None = None
    offset: int | None = None
    tail: int | None = None
    window: int | None = None


class LogBytes:
    """Logs as bytes at offsets; ``growth`` watches them grow, once for all who follow."""

    def __init__(self, db: Database, archive: LogArchive, growth: Growth, targets: Mapping[str, ComputeTarget]) -> None:
        self._db = db
        self._archive = archive
        self._growth = growth
        self._targets = targets

    async def follow(
        self, principal: Principal, wanted: WantedBytes, allowed: Callable[[], Awaitable[int]]
    ) -> AsyncGenerator[Followed, None]:
        """Yield what stands from an offset on, then what is written; see `logs.follow_bytes`. Raises NotFound."""
        row = await self._db.read(lambda tx: access.find(tx, principal, wanted.experiment_id))
        log = await self._log(row, wanted)
        start = wanted.offset or 0
        if wanted.tail is not None:
            start = await self._archive.run(_back, log, wanted.tail)

        async def over() -> bool:
            now = await self._db.read(lambda tx: experiments.find(tx, row.id))
            return now is None or now.attempt > log.attempt or Status(now.status).final

        pieces = follow_bytes(self._growth, log, start, allowed=allowed, over=over, window=wanted.window)
        async with attended(self._targets, row), aclosing(pieces) as found:
            async for piece in found:
                yield piece

    async def _log(self, row: ExperimentRow, wanted: WantedBytes) -> ReplicaLog:
        """Return the log of a replica, which may not have begun; of one that was scaled away only what is there."""
        attempt = wanted.attempt or row.attempt
        if attempt > row.attempt:
            raise NotFound(f"{row.id} has no attempt {attempt}: the latest is {row.attempt}.")
        if f"{row.id}-{wanted.replica}" in expected_pods(row.id, row.wire_spec):
            return self._archive.at(row.id, attempt, wanted.replica)
        return await self._archive.run(self._archive.replica, row.id, wanted.replica, attempt)


def _back(log: ReplicaLog, count: int) -> int:
    return log.back(log.end, count)
