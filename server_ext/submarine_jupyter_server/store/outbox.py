"""The orders to the targets that are still to be carried out: at most one per experiment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from .tables import outbox

Op = Literal["ensure", "stop", "delete"]
# A later order of the same weight replaces an earlier one; a lighter one cannot undo what was decided.
_WEIGHT = {"ensure": 0, "stop": 1, "delete": 2}
# Made once: to put a statement together takes as long as to carry it out.
_ROWS, _INSERT = select(*outbox.c), insert(outbox)
_PENDING = _ROWS.where(outbox.c.experiment_id == bindparam("of"))


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """An order; ``next_at`` is when it is due, in milliseconds, ``attempts`` how often it was tried in vain."""

    seq: int
    experiment_id: str
    op: str
    generation: int
    attempts: int
    next_at: int
    last_error: str | None


def put(tx: Connection, experiment_id: str, op: Op, generation: int) -> OutboxRow:
    """Order something, due at once, and return what is to be done now: delete before stop before ensure."""
    before = pending(tx, experiment_id)
    if before is not None and _WEIGHT[before.op] > _WEIGHT[op]:
        return before
    if before is not None:
        tx.execute(delete(outbox).where(outbox.c.experiment_id == experiment_id))
    # A new number: whoever still works on the order before cannot take this one for done.
    values = {"experiment_id": experiment_id, "op": op, "generation": generation, "attempts": 0, "next_at": 0}
    seq = tx.execute(_INSERT, values).inserted_primary_key
    assert seq is not None  # noqa: S101 - for the type checker
    return OutboxRow(seq[0], experiment_id, op, generation, 0, 0, None)


def pending(tx: Connection, experiment_id: str) -> OutboxRow | None:
    """Return the order for an experiment, None if there is nothing to do."""
    found = tx.execute(_PENDING, {"of": experiment_id}).first()
    return None if found is None else OutboxRow(*found)


def due(tx: Connection, now_ms: int, limit: int) -> list[OutboxRow]:
    """Return orders that are due, those that waited longest first."""
    found = _ROWS.where(outbox.c.next_at <= now_ms).order_by(outbox.c.next_at, outbox.c.seq).limit(limit)
    return [OutboxRow(*row) for row in tx.execute(found)]


def hasten(tx: Connection) -> None:
    """Let all orders be due now, as if for the first time: what stood in their way may be gone."""
    tx.execute(update(outbox).values(next_at=0, attempts=0))


def next_due(tx: Connection) -> int | None:
    """Return when the next order is due, None if there is none."""
    return tx.execute(select(func.min(outbox.c.next_at))).scalar()


def done(tx: Connection, seq: int) -> bool:
    """Remove an order that was carried out; False if another one has replaced it meanwhile."""
    return tx.execute(delete(outbox).where(outbox.c.seq == seq)).rowcount > 0


def retry(tx: Connection, seq: int, next_at: int, error: str) -> bool:
    """Put an order off that failed; False if another one has replaced it meanwhile."""
    values = {"attempts": outbox.c.attempts + 1, "next_at": next_at, "last_error": error}
    return tx.execute(update(outbox).where(outbox.c.seq == seq).values(values)).rowcount > 0
