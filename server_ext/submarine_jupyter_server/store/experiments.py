"""The experiments: made, found, changed, deleted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from submarine_jupyter.models import Status
from submarine_jupyter.spec import experiment_ids

from .annotations import groups, origins, row_changes, searchable, tags
from .curves import numbering
from .engine.space import require_space
from .lists.listing import Page, count, page
from .lists.query import Query
from .rows import FINAL_RANK, RANK, WHOLE, ExperimentRow, ListRow, NewExperiment, by_id, by_seq, whole
from .tables import (
    attempt_spec,
    curve,
    event,
    experiment,
    experiment_value,
    group_member,
    housekeeping,
    log_position,
    made_object,
    meta,
    origin,
    param,
    progress,
    replica,
    shown_values,
)
from .tables.dialect import insert_or_replace, numbered, storable
from .transitions import advance

__all__ = [
    "ExperimentRow",
    "ListRow",
    "NewExperiment",
    "Page",
    "Query",
    "advance",
    "bring_back",
    "count",
    "deleted_ids",
    "expired_deleted",
    "find",
    "forget",
    "holder_of",
    "ids_after",
    "insert",
    "is_compared",
    "live",
    "mark_deleted",
    "next_id",
    "note_compared",
    "note_id",
    "owned",
    "page",
    "request_stop",
    "restore",
    "scrub",
]

# What a purge removes, by what it knows the experiment; with a curve go its points.
_BY_ID = (attempt_spec, replica, curve, log_position, made_object, progress, param)
_BY_NUMBER = (experiment_value, shown_values, housekeeping, origin, group_member)
# Made once: to put a statement together takes as long as to carry it out.
_UNSET = dict.fromkeys(("reason", "message", "created", "running", "finished", "stop_requested", "deleted", "applied"))
_INSERT, _META = sa.insert(experiment), sa.select(meta.c.key, meta.c.value)
_COUNT = sa.update(meta).where(meta.c.key == "counter")


def next_id(tx: Connection) -> str:
    """Return an id that was never given out: ``experiment-<start of this instance in ms>-<number>``."""
    known = _meta(tx)
    number = int(known["counter"]) + 1
    _set_counter(tx, number)
    return experiment_ids.make(known["instance_start_ms"], number)


def note_id(tx: Connection, experiment_id: str) -> None:
    """Let no new id be this one, which is in use; those of other starts cannot be."""
    known = _meta(tx)
    start, number = experiment_ids.parts(experiment_id) or ("", 0)
    if start == known["instance_start_ms"] and number > int(known["counter"]):
        _set_counter(tx, number)


def is_compared(tx: Connection, target: str) -> bool:
    """Return whether this database, as it was made or restored last, has been compared with all that a target has."""
    known = _meta(tx)
    return known.get(f"compared {target}") == known["instance_start_ms"]


def note_compared(tx: Connection, target: str) -> None:
    """Note that it has been."""
    value = _meta(tx)["instance_start_ms"]
    tx.execute(insert_or_replace(meta), {"key": f"compared {target}", "value": value})


def insert(tx: Connection, new: NewExperiment) -> ExperimentRow:
    """Store a new experiment as Accepted, generation and attempt 1. Raises StorageFull."""
    return restore(tx, new)


def restore(
    tx: Connection,
    new: NewExperiment,
    *,
    generation: int = 1,
    attempt: int = 1,
    restored: bool = False,
    notes: Sequence[str] = (),
) -> ExperimentRow:
    """Store an experiment that was known before, as Accepted: what it is now is for ``advance``. Raises StorageFull.

    ``restored``: its record has neither secret values nor code.
    """
    require_space(tx)
    values: dict[str, Any] = {name: getattr(new, name) for name in NewExperiment.__dataclass_fields__}
    labels = values.pop("tags")
    values |= {"status": Status.ACCEPTED.value, "notes": json.dumps(list(notes))}
    values |= {"generation": generation, "attempt": attempt, "restored": restored}
    values = {name: storable(value) if isinstance(value, str) else value for name, value in values.items()}
    seq = numbered(tx, _INSERT, values)
    tags.add(tx, seq, labels)
    searchable.begin(tx, seq, new.spec)
    origins.begin(tx, seq, new.spec)
    groups.begin(tx, seq, new.owner, new.spec)
    del values["list_spec"]
    return ExperimentRow(seq=seq, **{**_UNSET, **values, "notes": tuple(notes)})


def find(tx: Connection, experiment_id: str, include_deleted: bool = False) -> ExperimentRow | None:
    """Return an experiment, None if there is none of that id; a deleted one only on demand."""
    row = by_id(tx, experiment_id)
    return row if row is None or row.deleted is None or include_deleted else None


def holder_of(tx: Connection, uid: str) -> str | None:
    """Return the id of the experiment that has a uid, deleted or not."""
    return tx.execute(sa.select(experiment.c.id).where(experiment.c.uid == uid)).scalar()


def live(tx: Connection, target: str | None = None) -> list[ExperimentRow]:
    """Return the experiments that have not ended, of one target or of all, oldest first."""
    unfinished = [str(status) for status, rank in RANK.items() if rank < FINAL_RANK]
    where: list[sa.ColumnElement[bool]] = [experiment.c.deleted.is_(None), experiment.c.status.in_(unfinished)]
    if target is not None:
        where.append(experiment.c.target == target)
    found = tx.execute(sa.select(*WHOLE).where(*where).order_by(experiment.c.seq))
    return [whole(row) for row in found]


def ids_after(tx: Connection, target: str, seq: int) -> tuple[int, list[str]]:
    """Return the ids of a target's experiments with a number above ``seq``, deleted ones too, and the last number."""
    found = sa.select(experiment.c.seq, experiment.c.id).where(experiment.c.seq > seq, experiment.c.target == target)
    rows = tx.execute(found.order_by(experiment.c.seq)).all()
    return (rows[-1].seq if rows else seq), [row.id for row in rows]


def owned(tx: Connection, owner: str, ids: Sequence[str]) -> set[str]:
    """Return those of ``ids`` that belong to ``owner`` and are not deleted."""
    where = (experiment.c.deleted.is_(None), experiment.c.owner == owner, experiment.c.id.in_(ids))
    return set(tx.execute(sa.select(experiment.c.id).where(*where)).scalars())


def deleted_ids(tx: Connection, target: str) -> frozenset[str]:
    """Return the ids of a target's deleted experiments."""
    where = (experiment.c.deleted.is_not(None), experiment.c.target == target)
    return frozenset(tx.execute(sa.select(experiment.c.id).where(*where)).scalars())


def any_live(tx: Connection) -> bool:
    """Return whether an experiment has not ended."""
    unfinished = [str(status) for status, rank in RANK.items() if rank < FINAL_RANK]
    found = sa.select(experiment.c.seq).where(experiment.c.deleted.is_(None), experiment.c.status.in_(unfinished))
    return tx.execute(found.limit(1)).first() is not None


def expired_deleted(tx: Connection, before_ms: int, limit: int = 1000) -> list[ExperimentRow]:
    """Return experiments that were deleted before a time, the longest ago first."""
    found = tx.execute(
        sa.select(*WHOLE).where(experiment.c.deleted < before_ms).order_by(experiment.c.deleted).limit(limit)
    )
    return [whole(row) for row in found]


def request_stop(tx: Connection, experiment_id: str, at: int) -> ExperimentRow | None:
    """Note that the user wants an experiment to end; the first time it was asked counts. None if there is none."""
    row = find(tx, experiment_id)
    if row is None or row.stop_requested is not None or RANK[row.status] >= FINAL_RANK:
        return row
    return _changed(tx, row, {"stop_requested": at})


def mark_deleted(tx: Connection, experiment_id: str, at: int) -> ExperimentRow | None:
    """Take an experiment out of every list for good; None if there is none, or no more.

    The row stays, with its last status: nothing that is still reported of it can bring it back.
    """
    row = find(tx, experiment_id)
    if row is None:
        return None
    tags.replace(tx, row.seq, ())
    row_changes.touch(tx, row.id)
    return _changed(tx, row, {"deleted": at, "generation": row.generation + 1})


def bring_back(tx: Connection, experiment_id: str, labels: Sequence[str]) -> ExperimentRow | None:
    """Undo a deletion of which nobody knows, because the target refused it; None if there is none."""
    row = find(tx, experiment_id, include_deleted=True)
    if row is None or row.deleted is None:
        return None
    tags.replace(tx, row.seq, labels)
    row_changes.touch(tx, row.id)
    return _changed(tx, row, {"deleted": None})


def scrub(tx: Connection, experiment_id: str) -> None:
    """Keep of a deleted experiment only that it was there: neither what it ran nor what became of it."""
    of = (experiment.c.id == experiment_id, experiment.c.deleted.is_not(None))
    empty = {"spec": "{}", "wire_spec": "{}", "list_spec": None, "applied": None, "name": "", "notes": "[]"}
    if tx.execute(sa.update(experiment).where(*of).values(empty | {"reason": None, "message": None})).rowcount:
        numbering.keep(tx)
        for table in _BY_ID:
            tx.execute(sa.delete(table).where(table.c.experiment_id == experiment_id))
        seq = sa.select(experiment.c.seq).where(experiment.c.id == experiment_id).scalar_subquery()
        for table in _BY_NUMBER:
            tx.execute(sa.delete(table).where(table.c.seq == seq))
        tx.execute(sa.update(event).where(event.c.experiment_id == experiment_id).values(message=None, data=None))


def forget(tx: Connection, experiment_id: str) -> bool:
    """Remove every trace of an experiment, its orders, events and idempotency keys included; False if there is none."""
    numbering.keep(tx)
    return tx.execute(sa.delete(experiment).where(experiment.c.id == experiment_id)).rowcount > 0


def _changed(tx: Connection, row: ExperimentRow, values: dict[str, Any]) -> ExperimentRow:
    tx.execute(sa.update(experiment).where(experiment.c.seq == row.seq).values(values))
    return by_seq(tx, row.seq)


def _meta(tx: Connection) -> dict[str, str]:
    return {row.key: row.value for row in tx.execute(_META)}


def _set_counter(tx: Connection, number: int) -> None:
    tx.execute(_COUNT, {"value": str(number)})
