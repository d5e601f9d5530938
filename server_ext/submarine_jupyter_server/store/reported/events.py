"""What happened, in order: numbers grow, also over a restored database, and are never used twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, bindparam, delete, func, insert, select

from submarine_jupyter.models import Status
from submarine_jupyter_server.process.clock import now_ms
from submarine_jupyter_server.store.tables import event, experiment, outbox
from submarine_jupyter_server.store.tables.dialect import numbered

# Made once: to put a statement together takes as long as to carry it out.
_INSERT = insert(event)
_ROWS: Select[Any] = select(*event.c, experiment.c.owner).outerjoin(
    experiment, experiment.c.id == event.c.experiment_id
)
_AFTER = _ROWS.where(event.c.seq > bindparam("after")).order_by(event.c.seq).limit(bindparam("most"))


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event at ``at`` (milliseconds); ``data`` is what else there is to say, ``owner`` whose experiment it is."""

    seq: int
    experiment_id: str
    at: int
    type: str
    status: str | None
    reason: str | None
    message: str | None
    data: dict[str, Any] | None
    owner: str | None = None


_DATA = list(EventRow.__dataclass_fields__).index("data")


def append(
    tx: Connection,
    experiment_id: str,
    *,
    type: str,  # noqa: A002 - the name of the column
    status: str | None = None,
    reason: str | None = None,
    message: str | None = None,
    data: Mapping[str, Any] | None = None,
    at: int | None = None,
) -> int:
    """Store an event and return its number; it happened now unless ``at`` says otherwise."""
    values = {
        "experiment_id": experiment_id,
        "at": now_ms() if at is None else at,
        "type": type,
        "status": None if status is None else str(status),
        "reason": reason,
        "message": message,
        "data": None if data is None else json.dumps(data),
    }
    return numbered(tx, _INSERT, values)


def after(
    tx: Connection, seq: int, limit: int, experiment_id: str | None = None, owner: str | None = None
) -> list[EventRow]:
    """Return the events after number ``seq``, of one experiment, of one owner or of all, oldest first."""
    found = _AFTER
    if experiment_id is not None:
        found = found.where(event.c.experiment_id == experiment_id)
    if owner is not None:
        found = found.where(experiment.c.owner == owner)
    return [_row(row) for row in tx.execute(found, {"after": seq, "most": limit})]


def of(tx: Connection, experiment_id: str, limit: int) -> list[EventRow]:
    """Return the last events of an experiment, oldest first."""
    found = _ROWS.where(event.c.experiment_id == experiment_id).order_by(event.c.seq.desc()).limit(limit)
    return [_row(row) for row in tx.execute(found)][::-1]


def last_seq(tx: Connection) -> int:
    """Return the number of the newest event, 0 if there is none."""
    return tx.execute(select(func.max(event.c.seq))).scalar() or 0


def purge(tx: Connection, before_ms: int) -> int:
    """Remove the events before a time; return how many.

    That an experiment was deleted stays while it has an order: by this a late refusal is judged.
    """
    judged = and_(event.c.status == Status.DELETED, event.c.experiment_id.in_(select(outbox.c.experiment_id)))
    # Not all events have a status: with null the condition would be neither true nor false.
    return tx.execute(delete(event).where(event.c.at < before_ms, func.coalesce(judged, False).is_(False))).rowcount


def _row(values: Row[Any]) -> EventRow:
    fields: list[Any] = list(values)
    fields[_DATA] = None if fields[_DATA] is None else json.loads(fields[_DATA])
    return EventRow(*fields)
