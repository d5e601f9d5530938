"""How the status of an experiment moves: only forward, and never after its end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection, bindparam, update

from submarine_jupyter.models import Status

from .annotations import searchable
from .rows import FINAL_RANK, MOST_NOTES, RANK, ExperimentRow, by_id
from .tables import experiment
from .tables.dialect import storable

_MOVING = ("attempt", "status", "reason", "message", "created", "running", "finished")
# Made once: to put a statement together takes as long as to carry it out.
_MOVE = update(experiment).where(experiment.c.seq == bindparam("of"))


def advance(
    tx: Connection,
    experiment_id: str,
    *,
    uid: str,
    attempt: int,
    status: str,
    at_ms: int,
    created_ms: int | None = None,
    running_ms: int | None = None,
    finished_ms: int | None = None,
    reason: str | None = None,
    message: str | None = None,
    notes: Sequence[str] = (),
    known: ExperimentRow | None = None,
) -> ExperimentRow | None:
    """Apply what was reported of an experiment, and return its row; None when that changed nothing.

    Without effect on an experiment that is deleted or has ended, for another ``uid`` or an older ``attempt``, and when
    the status would go back. A newer attempt begins the status anew. The same status again may still change the
    reason and the message; ``notes`` are added to those there are. ``created_ms`` and the like say when it happened,
    otherwise it was at ``at_ms``; a time that is set stays, and none is before the one that precedes it. ``known`` is
    the row, where this transaction has read it already.
    """
    if RANK[status] > FINAL_RANK:
        raise ValueError(f"{status} is no status to advance to")
    row = known or by_id(tx, experiment_id)
    begun = None if row is None or row.uid != uid else _begun(row, attempt)
    if row is None or begun is None or RANK[status] < RANK[begun.status]:
        return None
    notes = tuple(dict.fromkeys((*row.notes, *notes)))[:MOST_NOTES]
    reason, message = storable(reason), storable(message)
    moved = replace(begun, status=str(status), reason=reason, message=message, notes=notes)
    if moved == row:
        return None
    moved = _timed(moved, at_ms, created_ms, running_ms, finished_ms)
    _store(tx, moved)
    if attempt > row.attempt:
        searchable.renew(tx, moved, anew=True)
    return moved


def _begun(row: ExperimentRow, attempt: int) -> ExperimentRow | None:
    """Return a row as it is at the beginning of a newer attempt, as it was otherwise; None if it moves no more."""
    if row.deleted is not None or attempt < row.attempt or RANK[row.status] == FINAL_RANK:
        return None
    if attempt == row.attempt:
        return row
    return replace(row, attempt=attempt, status=Status.ACCEPTED.value, created=None, running=None)


def _store(tx: Connection, row: ExperimentRow) -> None:
    values = {name: getattr(row, name) for name in _MOVING} | {"notes": json.dumps(row.notes)}
    tx.execute(_MOVE, {"of": row.seq, **values})


def _timed(
    row: ExperimentRow, at: int, created_at: int | None, running_at: int | None, finished_at: int | None
) -> ExperimentRow:
    """Set the times that the status calls for; a failed experiment may never have been created or running."""
    rank, failed = RANK[row.status], row.status == Status.FAILED
    created, running, finished = row.created, row.running, row.finished
    if created is None and (
        (created_at is not None or running_at is not None) if failed else rank >= RANK[Status.CREATED]
    ):
        created = max(row.accepted, _first(created_at, running_at, at))
    if running is None and (running_at is not None if failed else rank >= RANK[Status.RUNNING]):
        running = max(created or row.accepted, _first(running_at, at))
    if finished is None and rank == FINAL_RANK:
        finished = max(running or created or row.accepted, _first(finished_at, at))
    return replace(row, created=created, running=running, finished=finished)


def _first(*times: int | None) -> int:
    return next(time for time in times if time is not None)
