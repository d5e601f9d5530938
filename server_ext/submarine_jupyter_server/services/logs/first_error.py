"""The first error of an experiment, found in its logs when somebody asks, remembered while they stay as they are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from submarine_jupyter_server.logs.archive import LogArchive, ReplicaLog
from submarine_jupyter_server.logs.search.errors import ErrorSign, first_in, first_of
from submarine_jupyter_server.store.experiments import ExperimentRow
from submarine_jupyter_server.store.reported.replicas import ReplicaRow

MAX_REPLICAS = 64
PATIENCE_S = 1.0
_REMEMBERED = 4096


class FirstErrors:
    """Finds first errors in ``archive``."""

    def __init__(self, archive: LogArchive) -> None:
        self._archive = archive
        self._known: dict[ReplicaLog, tuple[int, ErrorSign | None]] = {}

    async def of(self, row: ExperimentRow, replicas: Sequence[ReplicaRow]) -> ErrorSign | None:
        """Return what went wrong first in an attempt of which a replica has failed, or begun again; None if nothing.

        Of more than ``MAX_REPLICAS`` those that failed come first. A file that cannot be read in time says nothing.
        """
        failed = [one.name for one in replicas if one.status == "Failed" or one.restarts]
        if not failed or row.reason == "Stopped":
            return None
        try:
            async with asyncio.timeout(3 * PATIENCE_S):
                return await self._find(row, failed)
        except TimeoutError:
            return None

    async def _find(self, row: ExperimentRow, failed: Sequence[str]) -> ErrorSign | None:
        logs = await self._archive.run(self._archive.replicas, row.id, row.attempt)
        until = time.monotonic() + PATIENCE_S
        signs: list[ErrorSign] = []
        for log in sorted(logs, key=lambda log: log.name not in failed)[:MAX_REPLICAS]:
            if (sign := await self._archive.run(self._sign, log)) is not None:
                signs.append(sign)
            if time.monotonic() >= until:
                break  # who asks again has the others too
        return first_of(signs, failed)

    def _sign(self, log: ReplicaLog) -> ErrorSign | None:
        try:
            end = log.end
            known = self._known.get(log)
            if known is None or known[0] != end:
                known = self._known[log] = end, first_in(log)
        except OSError:
            return None
        if len(self._known) > _REMEMBERED:
            self._known.clear()
        return known[1]
