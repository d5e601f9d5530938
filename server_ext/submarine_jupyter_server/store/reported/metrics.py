"""The metrics read from logs, and how far each log has been read: both move together or not at all."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, case, exists, func, insert, select

from submarine_jupyter_server.store.annotations import row_changes, searchable
from submarine_jupyter_server.store.dialect import insert_or_keep, insert_or_replace
from submarine_jupyter_server.store.space import require_space
from submarine_jupyter_server.store.tables import experiment, log_position, metric, metrics_read, param

_MOST = 2**63
MAX_PARAMS = 1000
_FINAL = ("Succeeded", "Failed")
# Made once: to put a statement together takes as long as to carry it out.
_POSITIONS, _INSERT = select(log_position.c.replica, log_position.c.position), insert(metric)
_MOVE, _SET, _FINISH = insert_or_replace(log_position), insert_or_replace(param), insert_or_keep(metrics_read)


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One value that a replica reported at ``at`` (milliseconds); ``value`` is None when it was no finite number."""

    attempt: int
    replica: str
    name: str
    step: int | None
    value: float | None
    at: int
    seq: int = field(default=0, compare=False)


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
    params: Mapping[str, str] | None = None,
) -> bool:
    """Store the metrics (name, value, step, time) and settings (name -> JSON) read from a log up to ``position``.

    Returns False and stores nothing if the log was read that far before. Raises StorageFull.
    """
    if positions(tx, experiment_id, attempt).get(replica, -1) >= position:
        return False
    require_space(tx)
    key = {"experiment_id": experiment_id, "attempt": attempt, "replica": replica}
    tx.execute(_MOVE, key | {"position": position})
    if metrics:
        tx.execute(_INSERT, [key | _values(*each) for each in metrics])
    if params:
        known = settings(tx, experiment_id, attempt)
        new = [name for name in params if name not in known][: max(MAX_PARAMS - len(known), 0)]
        rows = [{"name": name, "value": params[name]} for name in params if name in known or name in new]
        if rows:
            where = {"experiment_id": experiment_id, "attempt": attempt}
            tx.execute(_SET, [where | row for row in rows])
            if any(known.get(row["name"]) != row["value"] for row in rows):
                row_changes.touch(tx, experiment_id)
            _show(tx, experiment_id, attempt, searchable.PARAM, {row["name"]: json.loads(row["value"]) for row in rows})
    _show(tx, experiment_id, attempt, searchable.METRIC, {name: value for name, value, _, _ in metrics})
    return True


def _show(tx: Connection, experiment_id: str, attempt: int, kind: str, found: Mapping[str, object]) -> None:
    """Let an experiment be found by what was read, unless a later attempt has begun."""
    if found:
        where = (experiment.c.id == experiment_id, experiment.c.attempt == attempt)
        seq = tx.execute(select(experiment.c.seq).where(*where)).scalar()
        if seq is not None:
            searchable.put(tx, seq, kind, found)


def settings(tx: Connection, experiment_id: str, attempt: int) -> dict[str, str]:
    """Return the settings that an attempt told, name -> JSON."""
    where = (param.c.experiment_id == experiment_id, param.c.attempt == attempt)
    found = tx.execute(select(param.c.name, param.c.value).where(*where).order_by(param.c.name))
    return {row.name: row.value for row in found}


def names(tx: Connection, experiment_id: str, attempt: int) -> set[str]:
    """Return the names of the metrics of an attempt."""
    where = (metric.c.experiment_id == experiment_id, metric.c.attempt == attempt)
    return {row.name for row in tx.execute(select(metric.c.name).where(*where).distinct())}


def finish(tx: Connection, experiment_id: str, attempt: int) -> None:
    """Note that the logs of an attempt were read to their end."""
    tx.execute(_FINISH, {"experiment_id": experiment_id, "attempt": attempt})


def is_finished(tx: Connection, experiment_id: str, attempt: int) -> bool:
    """Whether the logs of an attempt were read to their end."""
    where = (metrics_read.c.experiment_id == experiment_id, metrics_read.c.attempt == attempt)
    return tx.execute(select(exists().where(*where))).scalar_one()


def is_over(tx: Connection, experiment_id: str, attempt: int) -> bool:
    """Whether an attempt has ended, or its experiment is gone."""
    where = (experiment.c.id == experiment_id, experiment.c.deleted.is_(None))
    row = tx.execute(select(experiment.c.attempt, experiment.c.status).where(*where)).one_or_none()
    return row is None or row.attempt > attempt or row.status in _FINAL


def unfinished(tx: Connection, limit: int = 1000) -> list[tuple[str, int]]:
    """Return attempts that are over and whose logs were not read to their end: (experiment, attempt), newest first."""
    last = experiment.c.attempt - case((experiment.c.status.in_(_FINAL), 0), else_=1)
    numbers = (
        select(experiment.c.id, experiment.c.seq, last.label("attempt"))
        .where(experiment.c.deleted.is_(None), last > 0)
        .subquery()
    )
    done = exists().where(metrics_read.c.experiment_id == numbers.c.id, metrics_read.c.attempt == numbers.c.attempt)
    found = select(numbers.c.id, numbers.c.attempt).where(~done).order_by(numbers.c.seq.desc()).limit(limit)
    return [(row.id, row.attempt) for row in tx.execute(found)]


def series(
    tx: Connection,
    experiment_id: str,
    *,
    attempt: int | None = None,
    name: str | None = None,
    replica: str | None = None,
    limit: int = 100_000,
    since: int = 0,
) -> list[MetricRow]:
    """Return the last values of an experiment after number ``since``, in the order they were reported."""
    found = select(*_SHOWN).where(metric.c.experiment_id == experiment_id)
    if since:
        found = found.where(metric.c.seq > since)
    for column, wanted in ((metric.c.attempt, attempt), (metric.c.name, name), (metric.c.replica, replica)):
        if wanted is not None:
            found = found.where(column == wanted)
    return [MetricRow(*row) for row in tx.execute(found.order_by(metric.c.seq.desc()).limit(limit)).yield_per(500)][
        ::-1
    ]


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
        # No engine and no JSON has all of NaN and the infinities: what is no finite number is null from here on.
        "value": value if math.isfinite(value) else None,
        # A larger step than the database can hold is no step.
        "step": step if step is not None and -_MOST <= step < _MOST else None,
        "at": at,
    }
