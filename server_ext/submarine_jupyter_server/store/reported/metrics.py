"""The metrics read from logs, and how far each log has been read: both move together or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, bindparam, case, exists, select

from submarine_jupyter_server.metrics.progress.reports import Report
from submarine_jupyter_server.store.annotations import progress, row_changes, searchable
from submarine_jupyter_server.store.curves import growth, numbering
from submarine_jupyter_server.store.engine.prepared import Prepared
from submarine_jupyter_server.store.engine.space import require_space
from submarine_jupyter_server.store.tables import curve, experiment, log_position, metrics_read, param
from submarine_jupyter_server.store.tables.dialect import insert_or_keep, insert_or_replace

from .remembered import remembered

MAX_PARAMS = 1000
_FINAL = ("Succeeded", "Failed")
# Made once: to put a statement together takes as long as to carry it out.
_POSITIONS = select(log_position.c.replica, log_position.c.position).where(
    log_position.c.experiment_id == bindparam("id"), log_position.c.attempt == bindparam("of")
)
_SHOWN = select(
    select(experiment.c.seq)
    .where(experiment.c.id == bindparam("id"), experiment.c.attempt == bindparam("of"))
    .scalar_subquery(),
    *numbering.LAST,
)
_MOVE = Prepared(insert_or_replace(log_position), "experiment_id", "attempt", "replica", "position")
_SET, _FINISH = insert_or_replace(param), insert_or_keep(metrics_read)


def positions(tx: Connection, experiment_id: str, attempt: int) -> dict[str, int]:
    """Return up to which byte the log of each replica has been read."""
    found = tx.execute(_POSITIONS, {"id": experiment_id, "of": attempt})
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
    before = positions(tx, experiment_id, attempt)
    if before.get(replica, -1) >= position:
        return False
    require_space(tx)
    _MOVE(tx, [(experiment_id, attempt, replica, position)])
    known = remembered(tx, experiment_id, attempt, before)
    known.positions[replica] = position
    # A later attempt may have begun: then nothing is found by what was read.
    shown, *last = tx.execute(_SHOWN, {"id": experiment_id, "of": attempt}).one()
    if metrics:
        key = {"experiment_id": experiment_id, "attempt": attempt, "replica": replica}
        found = growth.add(tx, key, numbering.greatest(*last), metrics, known.curves)
        if shown is None:
            known.measured.clear()
        else:
            searchable.measure(tx, shown, found, known.measured)
    if params:
        _set(tx, experiment_id, attempt, params, shown)
    return True


def _set(tx: Connection, experiment_id: str, attempt: int, params: Mapping[str, str], shown: int | None) -> None:
    known = settings(tx, experiment_id, attempt)
    new = [name for name in params if name not in known][: max(MAX_PARAMS - len(known), 0)]
    rows = [{"name": name, "value": params[name]} for name in params if name in known or name in new]
    if rows:
        where = {"experiment_id": experiment_id, "attempt": attempt}
        tx.execute(_SET, [where | row for row in rows])
        if any(known.get(row["name"]) != row["value"] for row in rows):
            row_changes.touch(tx, experiment_id)
        if shown is not None:
            searchable.put(tx, shown, {row["name"]: json.loads(row["value"]) for row in rows})


def report(tx: Connection, experiment_id: str, attempt: int, found: Report) -> None:
    """Store how far an attempt is. Raises StorageFull."""
    progress.put(tx, experiment_id, attempt, found)
    row_changes.touch(tx, experiment_id)


def reported(tx: Connection, experiment_id: str, attempt: int) -> Report | None:
    """Return how far an attempt is, as it was stored."""
    return progress.of(tx, experiment_id, attempt)


def settings(tx: Connection, experiment_id: str, attempt: int) -> dict[str, str]:
    """Return the parameters that an attempt logged, name -> JSON."""
    where = (param.c.experiment_id == experiment_id, param.c.attempt == attempt)
    found = tx.execute(select(param.c.name, param.c.value).where(*where).order_by(param.c.name))
    return {row.name: row.value for row in found}


def names(tx: Connection, experiment_id: str, attempt: int) -> set[str]:
    """Return the names of the metrics of an attempt."""
    where = (curve.c.experiment_id == experiment_id, curve.c.attempt == attempt)
    return set(tx.execute(select(curve.c.name).where(*where).distinct()).scalars())


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
