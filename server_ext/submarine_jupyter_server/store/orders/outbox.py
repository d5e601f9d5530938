"""The orders to the targets that are still to be carried out: at most one per experiment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, bindparam, delete, func, insert, or_, select, update

from submarine_jupyter_server.store.rows import ListRow
from submarine_jupyter_server.store.tables import outbox
from submarine_jupyter_server.store.tables.dialect import numbered

Op = Literal["ensure", "stop", "delete", "purge"]
# A later order of the same weight replaces an earlier one; a lighter one cannot undo what was decided.
_WEIGHT = {"ensure": 0, "stop": 1, "delete": 2, "purge": 3}
# A clock that was set back must not hold an order up: no order is put off longer than this.
_MOST_MS = 120_000
# Made once: to put a statement together takes as long as to carry it out.
_ROWS, _INSERT = select(*outbox.c), insert(outbox)
_PENDING = _ROWS.where(outbox.c.experiment_id == bindparam("of"))
_DUE = (
    _ROWS.where(or_(outbox.c.next_at <= bindparam("now"), outbox.c.next_at > bindparam("beyond")))
    .order_by(outbox.c.next_at, outbox.c.seq)
    .limit(bindparam("most"))
)
_NEXT = select(func.min(outbox.c.next_at)).where(outbox.c.next_at > bindparam("now"))
_DONE = delete(outbox).where(outbox.c.seq == bindparam("of"))


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """An order for one ``attempt``; ``next_at`` is when it is due (ms).

    ``attempts`` is how often it was tried in vain since there was hope last (`hasten`): the pauses are as long.
    """

    seq: int
    experiment_id: str
    op: str
    generation: int
    attempt: int
    attempts: int
    next_at: int
    last_error: str | None
    last_reason: str | None = None

    @property
    def tried(self) -> bool:
        """Whether it was given before, in vain: a part of it may have been done."""
        return self.last_error is not None


def put(tx: Connection, row: ListRow, op: Op, *, first: bool = False) -> OutboxRow:
    """Order something for an experiment as it stands in ``row``, due at once; return what is to be done now.

    A purge comes before a delete, that before a stop, that before an ensure: the lighter one is not kept. ``first``:
    nothing can have been ordered for it before.
    """
    experiment_id = row.id
    before = None if first else pending(tx, experiment_id)
    if before is not None and _WEIGHT[before.op] > _WEIGHT[op]:
        return before
    if before is not None:
        tx.execute(delete(outbox).where(outbox.c.experiment_id == experiment_id))
    # A new number: whoever still works on the order before cannot take this one for done.
    values = {"experiment_id": experiment_id, "op": op, "generation": row.generation, "attempt": row.attempt}
    values |= {"attempts": 0, "next_at": 0}
    return OutboxRow(numbered(tx, _INSERT, values), experiment_id, op, row.generation, row.attempt, 0, 0, None)


def pending(tx: Connection, experiment_id: str) -> OutboxRow | None:
    """Return the order for an experiment, None if there is nothing to do."""
    found = tx.execute(_PENDING, {"of": experiment_id}).first()
    return None if found is None else OutboxRow(*found)


def due(tx: Connection, now_ms: int, limit: int) -> list[OutboxRow]:
    """Return orders that are due, those that waited longest first."""
    found = tx.execute(_DUE, {"now": now_ms, "beyond": now_ms + _MOST_MS, "most": limit})
    return [OutboxRow(*row) for row in found]


def troubled(tx: Connection, experiment_ids: Sequence[str]) -> dict[str, OutboxRow]:
    """Return the orders, of these experiments, that were tried in vain and will be tried again; by experiment."""
    found = tx.execute(_ROWS.where(outbox.c.last_error.is_not(None), outbox.c.experiment_id.in_(experiment_ids)))
    return {order.experiment_id: order for order in (OutboxRow(*row) for row in found)}


def hasten(tx: Connection) -> None:
    """Let all orders be due now, with short pauses again: what stood in their way may be gone."""
    tx.execute(update(outbox).values(next_at=0, attempts=0))


def ordered(tx: Connection) -> frozenset[str]:
    """Return the experiments for which there is an order."""
    return frozenset(tx.execute(select(outbox.c.experiment_id)).scalars())


def next_due(tx: Connection, after_ms: int) -> int | None:
    """Return when the next order is due after a moment, None if none is."""
    return tx.execute(_NEXT, {"now": after_ms}).scalar()


def done(tx: Connection, seq: int) -> bool:
    """Remove an order that was carried out; False if another one has replaced it meanwhile."""
    return tx.execute(_DONE, {"of": seq}).rowcount > 0


def retry(tx: Connection, seq: int, next_at: int, error: str, reason: str | None = None) -> bool:
    """Put an order off that failed; False if another one has replaced it meanwhile."""
    values = {"attempts": outbox.c.attempts + 1, "next_at": next_at, "last_error": error, "last_reason": reason}
    return tx.execute(update(outbox).where(outbox.c.seq == seq).values(values)).rowcount > 0
