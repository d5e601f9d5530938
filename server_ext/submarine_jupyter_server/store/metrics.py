"""The metrics read from logs, and how far each log has been read: both move together or not at all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert

from .ballast import require_space
from .tables import log_position, metric

_MOST = 2**63
# Made once: to put a statement together takes as long as to carry it out.
_POSITIONS, _INSERT = select(log_position.c.replica, log_position.c.position), insert(metric)
_MOVE = upsert(log_position)
_MOVE = _MOVE.on_conflict_do_update(
    index_elements=list(log_position.primary_key), set_={"position": _MOVE.excluded.position}
)


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One value that a replica reported at ``at`` (milliseconds); ``value`` is None when it is not a number (NaN)."""

    attempt: int
    replica: str
    name: str
    step: int | None
    value: float | None
    at: int


_SHOWN = tuple(metric.c[name] for name in MetricRow.__dataclass_fields__)


def positions(tx: Connection, experiment_id: str, attempt: int) -> dict[str, int]:
    """Return up to which byte the log of each replica has been read."""
    where = (log_position.c.experiment_id == experiment_id, log_position.c.attempt == attempt)
    found = tx.execute(_POSITIONS.where(*where))
    return {row.replica: row.position for row in found}


def record(
    tx: Connection,
    experiment_id: str,
    attempt: int,
    replica: str,
    position: int,
    metrics: Sequence[tuple[str, float, int | None, int]],
) -> bool:
    """Store the metrics (name, value, step, time) read from a log up to ``position``.

    Returns False and stores nothing if the log was read that far before. Raises StorageFull.
    """
    if positions(tx, experiment_id, attempt).get(replica, -1) >= position:
        return False
    require_space(tx)
    key = {"experiment_id": experiment_id, "attempt": attempt, "replica": replica}
    tx.execute(_MOVE, key | {"position": position})
    if metrics:
        tx.execute(_INSERT, [key | _values(*each) for each in metrics])
    return True


def series(
    tx: Connection,
    experiment_id: str,
    *,
    attempt: int | None = None,
    name: str | None = None,
    replica: str | None = None,
    limit: int = 100_000,
) -> list[MetricRow]:
    """Return the last values of an experiment, in the order they were reported."""
    found = select(*_SHOWN).where(metric.c.experiment_id == experiment_id)
    for column, wanted in ((metric.c.attempt, attempt), (metric.c.name, name), (metric.c.replica, replica)):
        if wanted is not None:
            found = found.where(column == wanted)
    return [MetricRow(*row) for row in tx.execute(found.order_by(metric.c.seq.desc()).limit(limit))][::-1]


def latest(tx: Connection, experiment_id: str) -> list[MetricRow]:
    """Return the last value of each metric of each replica of the newest attempt that has any."""
    mine = metric.c.experiment_id == experiment_id
    newest = select(func.max(metric.c.attempt)).where(mine).scalar_subquery()
    last = select(func.max(metric.c.seq)).where(mine, metric.c.attempt == newest)
    last = last.group_by(metric.c.name, metric.c.replica)
    found = select(*_SHOWN).where(metric.c.seq.in_(last)).order_by(metric.c.name, metric.c.replica)
    return [MetricRow(*row) for row in tx.execute(found)]


def _values(name: str, value: float, step: int | None, at: int) -> dict[str, object]:
    return {
        "name": name,
        # SQLite has no NaN: it would become NULL in any case.
        "value": None if math.isnan(value) else value,
        # A larger step than the database can hold is no step.
        "step": step if step is not None and -_MOST <= step < _MOST else None,
        "at": at,
    }
