"""What was last reported of each replica."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy import Connection, bindparam, select, update

from submarine_jupyter_server.store.tables import replica
from submarine_jupyter_server.store.tables.dialect import insert_or_replace, storable

if TYPE_CHECKING:
    from submarine_jupyter_server.targets.protocol import ReplicaState


@dataclass(frozen=True, slots=True)
class ReplicaRow:
    """One replica of one attempt; the fields are those of ``ReplicaState``."""

    name: str
    role: str
    index: int
    status: str
    exit_code: int | None
    signal: str | None
    reason: str | None
    message: str | None
    node: str | None
    pid: int | None
    restarts: int
    started_ms: int | None
    finished_ms: int | None


_FIELDS = tuple(ReplicaRow.__dataclass_fields__)
_COLUMNS = {"index": "idx", "started_ms": "started", "finished_ms": "finished"}
_SHOWN = tuple(replica.c[_COLUMNS.get(field, field)] for field in _FIELDS)
# Made once: to put a statement together takes as long as to carry it out.
_ROWS = (
    select(*_SHOWN)
    .where(replica.c.experiment_id == bindparam("of"), replica.c.attempt == bindparam("in"))
    .order_by(replica.c.role, replica.c.idx)
)
_UPSERT = insert_or_replace(replica)


def upsert(tx: Connection, experiment_id: str, attempt: int, states: Iterable[ReplicaState]) -> bool:
    """Store what was reported of replicas; False if it was known, and nothing had to be written."""
    known = {row.name: row for row in of(tx, experiment_id, attempt)}
    reported = [ReplicaRow(*(getattr(state, field) for field in _FIELDS)) for state in states]
    changed = [row for row in map(_stored, reported) if known.get(row.name) != row]
    if not changed:
        return False
    key = {"experiment_id": experiment_id, "attempt": attempt}
    tx.execute(
        _UPSERT,
        [key | {_COLUMNS.get(field, field): getattr(row, field) for field in _FIELDS} for row in changed],
    )
    return True


def _stored(row: ReplicaRow) -> ReplicaRow:
    """Return what will be read again of a row: its texts may come from a pod."""
    reason, message = storable(row.reason), storable(row.message)
    return row if (reason, message) == (row.reason, row.message) else replace(row, reason=reason, message=message)


def end(tx: Connection, experiment_id: str, attempt: int, reason: str) -> None:
    """Have no replica of an attempt wait or run any more: nothing will be reported of it."""
    where = (replica.c.experiment_id == experiment_id, replica.c.attempt == attempt)
    unfinished = replica.c.status.in_(("Waiting", "Running"))
    tx.execute(update(replica).where(*where, unfinished).values(status="Stopped", reason=reason, pid=None))


def of(tx: Connection, experiment_id: str, attempt: int) -> list[ReplicaRow]:
    """Return the replicas of an attempt, by role and index."""
    return [ReplicaRow(*row) for row in tx.execute(_ROWS, {"of": experiment_id, "in": attempt})]
