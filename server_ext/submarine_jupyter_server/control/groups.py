"""Whose turn it is in a group: of its members, no more than ``maxRunning`` are given to their targets at a time.

A member that waits has no order. Its turn is one transaction: the place and the order. So a crash neither takes a
place twice nor loses one, and who waited first begins first, whatever limits those behind it have.
"""

from __future__ import annotations

from sqlalchemy import Connection

from submarine_jupyter.models import ExperimentSpec, Status
from submarine_jupyter_server.control import lifecycle
from submarine_jupyter_server.process.clock import now_ms
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.annotations import groups
from submarine_jupyter_server.store.annotations.groups import Group
from submarine_jupyter_server.store.experiments import ExperimentRow
from submarine_jupyter_server.store.orders import outbox
from submarine_jupyter_server.targets.protocol import Ahead, Forecast, Verdict

REASON = "GroupFull"
# So many orders are given in one transaction.
_AT_ONCE = 100


def hold(tx: Connection, row: ExperimentRow) -> bool:
    """Let a new experiment wait if its group has no place for it; return whether it waits."""
    member = groups.member(tx, row.seq)
    if member is None or member.max_running is None:
        return False
    groups.tidy(tx, member.group)
    if _has_room(tx, member.group, member.max_running, besides=1):
        return False
    groups.wait(tx, row.seq)
    explain(tx, row)
    return True


def would_wait(tx: Connection, owner: str, spec: ExperimentSpec) -> Forecast | None:
    """Return how a new experiment of an owner would wait in its group, None if it would not."""
    group = spec.runtime.group if spec.runtime else None
    if group is None or group.max_running is None:
        return None
    kin = Group(owner, group.name)
    if _has_room(tx, kin, group.max_running):
        return None
    waiting = groups.ahead(tx, kin)
    return Forecast(Verdict.WAITS, _waits_for(group.name, group.max_running), Ahead(len(waiting), tuple(waiting)))


def place(tx: Connection, row: ExperimentRow) -> Forecast | None:
    """Return how an experiment waits in its group, None if it does not."""
    member = groups.member(tx, row.seq)
    if member is None or member.place != groups.WAITS:
        return None
    before = groups.ahead(tx, member.group, row.seq)
    return Forecast(Verdict.WAITS, row.message or "", Ahead(len(before), tuple(before)))


def explain(tx: Connection, row: ExperimentRow) -> ExperimentRow:
    """Show for what a member waits; return its row as it is then."""
    member = groups.member(tx, row.seq)
    if member is None or member.place != groups.WAITS:
        return row
    return _moved(tx, row, REASON, _waits_for(member.group.name, member.max_running)) or row


def is_due(tx: Connection) -> bool:
    """Return whether it is the turn of a member that waits."""
    return any(_is_turn(tx, group) for group in groups.queues(tx))


def let_go(tx: Connection) -> None:
    """Give the orders for members whose turn it is, a hundred at most."""
    left = _AT_ONCE
    for group in groups.queues(tx):
        groups.tidy(tx, group)
        while left and _is_turn(tx, group):
            left -= 1
            _begin(tx, group)


def begun(tx: Connection, row: ExperimentRow) -> None:
    """Give a place to what its target has, although the row says that it waits: an older copy of the database."""
    if groups.waits(tx, row.seq):
        groups.take(tx, row.seq)


def _has_room(tx: Connection, group: Group, limit: int, *, besides: int = 0) -> bool:
    """Return whether a new member begins at once: nobody waits, and without ``besides`` members a place is free."""
    return groups.first(tx, group) is None and groups.taken(tx, group) - besides < limit


def _waits_for(name: str, limit: int | None) -> str:
    place = "a place" if limit is None else "the only place" if limit == 1 else f"one of the {limit} places"
    return f"it waits for {place} in its group '{name}'"


def _is_turn(tx: Connection, group: Group) -> bool:
    found = groups.first(tx, group)
    if found is None:
        return False
    row, member = found
    limit = member.max_running
    return _is_over(row) or limit is None or groups.taken(tx, group) < limit


def _begin(tx: Connection, group: Group) -> None:
    found = groups.first(tx, group)
    if found is None:
        return
    row, _ = found
    if _is_over(row):
        groups.leave(tx, row.seq)
        return
    groups.take(tx, row.seq)
    outbox.put(tx, row, "ensure")
    moved = _moved(tx, row, None, None)
    if moved is not None:
        lifecycle.record(tx, moved, "reason")


def _is_over(row: ExperimentRow) -> bool:
    return Status(row.status).final or row.deleted is not None or row.stop_requested is not None


def _moved(tx: Connection, row: ExperimentRow, reason: str | None, message: str | None) -> ExperimentRow | None:
    return experiments.advance(
        tx, row.id, uid=row.uid, attempt=row.attempt, status=row.status, at_ms=now_ms(), reason=reason, message=message
    )
