"""Logs by the time at which they were written: where they are at a moment, and the lines of all replicas in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from submarine_jupyter_server.logs import times
from submarine_jupyter_server.logs.archive import LogArchive, ReplicaLog
from submarine_jupyter_server.logs.layout import TIMES
from submarine_jupyter_server.logs.lines.merged import Merged, back, forth
from submarine_jupyter_server.logs.lines.pages import chosen, line_start
from submarine_jupyter_server.services.logs.log_attempt import attempt_of, attended, removed
from submarine_jupyter_server.services.principal import Principal
from submarine_jupyter_server.store.engine.database import Database
from submarine_jupyter_server.targets.protocol import ComputeTarget
from submarine_jupyter_server.wire.answers.logs import MergedLogs, Place, Places
from submarine_jupyter_server.wire.queries.logs import MergedQuery, PlaceQuery

_Found = TypeVar("_Found")


class LogTimes:
    """Finds times in the logs of the experiments that exist."""

    def __init__(self, db: Database, archive: LogArchive, targets: Mapping[str, ComputeTarget]) -> None:
        self._db = db
        self._archive = archive
        self._targets = targets

    async def places(self, principal: Principal, experiment_id: str, query: PlaceQuery) -> Places:
        """Return where each log is at a moment. Raises NotFound."""

        def find(logs: Sequence[ReplicaLog]) -> list[Place]:
            return [_place(log, query.at) for log in logs]

        attempt, found = await self._read(principal, experiment_id, query.attempt, query.replica, find)
        return Places(experiment_id=experiment_id, attempt=attempt, places=found)

    async def merged(self, principal: Principal, experiment_id: str, query: MergedQuery) -> MergedLogs:
        """Return lines of all replicas in the order of time. Raises NotFound."""

        def merge(logs: Sequence[ReplicaLog]) -> Merged:
            if query.at is not None:
                places = {log.name: _place(log, query.at).offset for log in logs}
                return forth(logs, {name: offset for name, offset in places.items() if offset}, query.limit)
            if query.after is not None:
                return forth(logs, query.after.offsets, query.limit)
            return back(logs, query.before.offsets if query.before else None, query.limit, query.since)

        attempt, found = await self._read(principal, experiment_id, query.attempt, None, merge)
        return MergedLogs(experiment_id=experiment_id, attempt=attempt, merged=found)

    async def _read(
        self,
        principal: Principal,
        experiment_id: str,
        wanted: int | None,
        replica: str | None,
        function: Callable[[Sequence[ReplicaLog]], _Found],
    ) -> tuple[int, _Found]:
        """Return an attempt, and what ``function`` makes of its logs, those that were removed among them."""
        row, wrote = await self._db.read(lambda tx: attempt_of(tx, principal, experiment_id, wanted))

        def read() -> tuple[int, _Found]:
            gone = removed(self._archive, row.id, wanted or row.attempt, wrote)
            attempt = row.attempt if wrote and wanted is None else wanted
            logs = chosen(self._archive, row.id, replica, attempt, gone)
            return logs[0].attempt if logs else row.attempt, function(logs)

        async with attended(self._targets, row):
            return await self._archive.run(read)


def _place(log: ReplicaLog, at: float) -> Place:
    """Return where a log is at Unix time ``at``: the line that was written then, or the first one after."""
    try:
        end = log.end
        if not times.known(log.path / TIMES):
            return Place(log, None, None, end)
        offset = line_start(log, log.offset_at(at))
        records = log.times(offset, offset + 1)
        return Place(log, offset, records[0][1] if records and offset < end else None, end)
    except OSError:
        return Place(log, None, None, 0)
