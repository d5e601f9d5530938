"""The first error of an experiment, found in its logs when somebody asks, remembered while they stay as they are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from submarine_jupyter_server.logs.archive import LogArchive, ReplicaLog
from submarine_jupyter_server.logs.errors import ErrorSign, first_in, first_of
from submarine_jupyter_server.store.experiments import ExperimentRow
from submarine_jupyter_server.store.replicas import ReplicaRow

MAX_REPLICAS = 64
PATIENCE_S = 2.0
_REMEMBERED = 256


class FirstErrors:
    """Finds first errors in ``archive``."""

    def __init__(self, archive: LogArchive) -> None:
        self._archive = archive
        self._known: dict[tuple[str, int], tuple[Sequence[int], ErrorSign | None]] = {}

    async def of(self, row: ExperimentRow, replicas: Sequence[ReplicaRow]) -> ErrorSign | None:
        """Return what went wrong first in an attempt of which a replica has failed, or begun again; None if nothing.

        Of more than ``MAX_REPLICAS`` those that failed come first. A file that cannot be read in time says nothing.
        """
        failed = [one.name for one in replicas if one.status == "Failed" or one.restarts]
        if not failed or row.reason == "Stopped":
            return None
        try:
            async with asyncio.timeout(2 * PATIENCE_S):
                return await self._find(row, failed)
        except TimeoutError:
            return None

    async def _find(self, row: ExperimentRow, failed: Sequence[str]) -> ErrorSign | None:
        logs = await self._archive.run(self._archive.replicas, row.id, row.attempt)
        logs = sorted(logs, key=lambda log: log.name not in failed)[:MAX_REPLICAS]
        ends = await self._archive.run(_ends, logs)
        known = self._known.get((row.id, row.attempt))
        if known is not None and known[0] == ends:
            return known[1]
        until = time.monotonic() + PATIENCE_S
        signs: list[ErrorSign] = []
        for log in logs:
            if time.monotonic() >= until:
                return first_of(signs, failed)
            if (sign := await self._archive.run(_sign, log)) is not None:
                signs.append(sign)
        found = first_of(signs, failed)
        self._remember((row.id, row.attempt), (ends, found))
        return found

    def _remember(self, key: tuple[str, int], found: tuple[Sequence[int], ErrorSign | None]) -> None:
        self._known.pop(key, None)
        self._known[key] = found
        if len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]


def _sign(log: ReplicaLog) -> ErrorSign | None:
    try:
        return first_in(log)
    except OSError:
        return None


def _ends(logs: Sequence[ReplicaLog]) -> list[int]:
    return [_end(log) for log in logs]


def _end(log: ReplicaLog) -> int:
    try:
        return log.end
    except OSError:
        return -1
