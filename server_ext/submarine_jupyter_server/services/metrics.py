"""Metrics of an experiment: whole once it has ended, or said not to be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sqlalchemy import Connection

from submarine_jupyter.models import Status
from submarine_jupyter_server.metrics.reader import MAX_NAMES
from submarine_jupyter_server.services import access
from submarine_jupyter_server.services.principal import Principal
from submarine_jupyter_server.store.curves import points
from submarine_jupyter_server.store.curves.points import MOST_POINTS, Chosen
from submarine_jupyter_server.store.engine.database import Database
from submarine_jupyter_server.store.experiments import ExperimentRow
from submarine_jupyter_server.store.reported import metrics
from submarine_jupyter_server.wire.answers.curves import Curves
from submarine_jupyter_server.wire.queries.metrics import MetricQuery

LATE_S = 5.0
_LATE = "The server is still reading the last metrics from the logs; ask again in a moment."
_FULL = f"An experiment keeps {MAX_NAMES:,} metric names at most; the others are left out."


class Metrics:
    """The curves of experiments; ``finish`` reads the metrics of an ended one to their end."""

    def __init__(self, db: Database, finish: Callable[[ExperimentRow], asyncio.Task[None]]) -> None:
        self._db = db
        self._finish = finish

    async def curves(self, principal: Principal, experiment_id: str, query: MetricQuery) -> Curves:
        """Return one series per metric and replica of the latest attempt, points in the order they were logged.

        After the end of the experiment the answer is whole. Where it cannot be so within 5 s (a busy machine, a full
        disk), it is ``late`` and says so. Raises NotFound.
        """

        def read(tx: Connection) -> tuple[ExperimentRow, Curves]:
            row = access.find(tx, principal, experiment_id)
            return row, _curves(tx, row, query)

        row, found = await self._db.read(read)
        if found.late:
            await asyncio.wait([self._finish(row)], timeout=LATE_S)
            _, found = await self._db.read(read)
        return found


def _curves(tx: Connection, row: ExperimentRow, query: MetricQuery) -> Curves:
    late = Status(row.status).final and not metrics.is_finished(tx, row.id, row.attempt)
    full = len(metrics.names(tx, row.id, row.attempt)) >= MAX_NAMES
    chosen = Chosen(experiment_id=row.id, attempt=row.attempt, names=query.names, replica=query.replica)
    # Of all points few are read; of those that are new, or the newest ones, all.
    if query.points is not None and not query.since and query.limit is None:
        found = points.few(tx, chosen, query.points)
    else:
        found = points.after(tx, chosen, query.since, query.limit or MOST_POINTS)
    return Curves(
        experiment_id=row.id,
        attempt=row.attempt,
        last=max(query.since, points.last_number(tx, chosen)),
        params=metrics.settings(tx, row.id, row.attempt),
        found=found,
        points=query.points,
        late=late,
        notes=tuple(note for note, true in ((_LATE, late), (_FULL, full)) if true),
    )
