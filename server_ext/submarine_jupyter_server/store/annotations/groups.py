"""Groups of experiments that belong together, such as a sweep, and the places in them.

A member *waits* for a place, *has* one from the moment in which its target is given it, or is *over*. Those of one
owner under one name are a group. Members that have ended are noted as over when places are counted (`tidy`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from submarine_jupyter_server.store.annotations.runtime_blocks import runtime_block
from submarine_jupyter_server.store.rows import FINAL_RANK, RANK, WHOLE, Among, ExperimentRow, whole
from submarine_jupyter_server.store.tables import experiment, group_member, outbox

WAITS, HAS, OVER = "waits", "has", "over"

_INSERT = sa.insert(group_member)
_MINE = group_member.c.seq == sa.bindparam("of")
_MEMBER = sa.select(group_member).where(_MINE)
_WAITING = sa.select(group_member.c.seq).where(_MINE, group_member.c.place == WAITS)
_PLACE = sa.update(group_member).where(_MINE).values(place=sa.bindparam("now"))
_NAMED = (group_member.c.owner == sa.bindparam("owned_by"), group_member.c.name == sa.bindparam("named"))
# Asked with every order: to put a statement together takes as long as to carry it out.
_QUEUES = sa.select(group_member.c.owner, group_member.c.name).where(group_member.c.place == WAITS).distinct()
_FINAL = [str(status) for status, rank in RANK.items() if rank >= FINAL_RANK]
_ORDERED = sa.select(outbox.c.seq).where(outbox.c.experiment_id == experiment.c.id).exists()
# While an order stands, something of it may still run: its target has yet to delete or to stop it.
_ENDED = sa.and_(sa.or_(experiment.c.status.in_(_FINAL), experiment.c.deleted.is_not(None)), ~_ORDERED)


@dataclass(frozen=True, slots=True)
class Group:
    """The experiments of one owner under one name."""

    owner: str
    name: str

    @property
    def named(self) -> dict[str, str]:
        """The values of the parameters by which its members are found."""
        return {"owned_by": self.owner, "named": self.name}


@dataclass(frozen=True, slots=True)
class Member:
    """One experiment in its group; ``max_running`` says how many of the group may run for it to begin, None: any."""

    group: Group
    max_running: int | None
    place: str


def begin(tx: Connection, seq: int, owner: str, spec: str) -> None:
    """Keep the group that the spec of a new experiment names; it has a place until it is held (`wait`)."""
    if found := _named(spec):
        tx.execute(_INSERT, {"seq": seq, "owner": owner, **found, "place": HAS})


def renew(tx: Connection, row: ExperimentRow) -> None:
    """Keep the group that another spec of an experiment names; it goes on waiting where it waits."""
    known, found = member(tx, row.seq), _named(row.spec)
    if found is None:
        if known is not None:
            tx.execute(sa.delete(group_member).where(_MINE), {"of": row.seq})
    elif known is None:
        begin(tx, row.seq, row.owner, row.spec)
    else:
        tx.execute(sa.update(group_member).where(_MINE).values(**found), {"of": row.seq})


def member(tx: Connection, seq: int) -> Member | None:
    """Return an experiment as the member of its group, None if it is in none."""
    found = tx.execute(_MEMBER, {"of": seq}).first()
    return None if found is None else Member(Group(found.owner, found.name), found.max_running, found.place)


def wait(tx: Connection, seq: int) -> None:
    """Let a member wait for a place."""
    tx.execute(_PLACE, {"of": seq, "now": WAITS})


def take(tx: Connection, seq: int) -> None:
    """Give a member a place."""
    tx.execute(_PLACE, {"of": seq, "now": HAS})


def leave(tx: Connection, seq: int) -> None:
    """Note that a member neither has a place nor waits for one any more."""
    tx.execute(_PLACE, {"of": seq, "now": OVER})


def waits(tx: Connection, seq: int) -> bool:
    """Return whether an experiment waits for a place in its group, so that its target has not been given it."""
    return tx.execute(_WAITING, {"of": seq}).first() is not None


def waiting(tx: Connection) -> frozenset[str]:
    """Return the experiments that wait for a place."""
    ids = sa.select(experiment.c.id).join(group_member, group_member.c.seq == experiment.c.seq)
    return frozenset(tx.execute(ids.where(group_member.c.place == WAITS)).scalars())


def queues(tx: Connection) -> list[Group]:
    """Return the groups in which a member waits."""
    return [Group(*row) for row in tx.execute(_QUEUES)]


def first(tx: Connection, group: Group) -> tuple[ExperimentRow, Member] | None:
    """Return the member of a group that has waited longest, None if none waits."""
    lowest = sa.select(sa.func.min(group_member.c.seq)).where(group_member.c.place == WAITS, *_NAMED).scalar_subquery()
    found = tx.execute(sa.select(*WHOLE).where(experiment.c.seq == lowest), group.named).first()
    if found is None:
        return None
    row = whole(found)
    known = member(tx, row.seq)
    return None if known is None else (row, known)


def ahead(tx: Connection, group: Group, seq: int | None = None) -> list[str]:
    """Return the members of a group that wait, in their order: all of them, or those before number ``seq``."""
    ids = sa.select(experiment.c.id).join(group_member, group_member.c.seq == experiment.c.seq)
    found = ids.where(group_member.c.place == WAITS, *_NAMED).order_by(group_member.c.seq)
    return list(tx.execute(found if seq is None else found.where(group_member.c.seq < seq), group.named).scalars())


def taken(tx: Connection, group: Group) -> int:
    """Return how many members of a group have a place and have not ended."""
    found = sa.select(sa.func.count()).select_from(group_member)
    found = found.join(experiment, experiment.c.seq == group_member.c.seq)
    return tx.execute(found.where(group_member.c.place == HAS, *_NAMED, ~_ENDED), group.named).scalar_one()


def tidy(tx: Connection, group: Group) -> None:
    """Note which members of a group have ended, so that their places are not counted again and again."""
    ended = sa.select(experiment.c.seq).where(experiment.c.seq == group_member.c.seq, _ENDED).exists()
    over = sa.update(group_member).where(group_member.c.place == HAS, *_NAMED, ended).values(place=OVER)
    tx.execute(over, group.named)


def of(tx: Connection, among: Among) -> dict[int, str]:
    """Return the names of the groups of experiments of some numbers."""
    found = sa.select(group_member.c.seq, group_member.c.name).where(among(group_member.c.seq))
    return {row.seq: row.name for row in tx.execute(found)}


def _named(spec: str) -> dict[str, Any] | None:
    found = runtime_block(spec, "group")
    return {"name": found["name"], "max_running": found.get("maxRunning")} if found else None
