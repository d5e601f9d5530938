"""Experiments counted by the groups they belong to."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from submarine_jupyter_server.store.tables import experiment, group_member

from .listing import wanted
from .query import Query

MOST_GROUPS = 1000


@dataclass(frozen=True, slots=True)
class Kin:
    """Some members of a group that are alike, ``count`` in number; times are those of their acceptance (ms)."""

    status: str
    reason: str | None
    stopping: bool
    count: int
    first: int
    last: int


def grouped(tx: Connection, query: Query) -> dict[str, tuple[int | None, list[Kin]]]:
    """Return groups by name, the one with the newest member first: their greatest ``maxRunning``, and their members.

    Only experiments that fit the filters of ``query`` count; ``MOST_GROUPS`` are returned at most.
    """
    name, member = group_member.c.name, group_member.c.seq == experiment.c.seq
    conditions = wanted(query)
    newest = (
        select(name, func.max(group_member.c.max_running).label("limit"), func.max(experiment.c.seq).label("newest"))
        .join(experiment, member)
        .where(*conditions)
        .group_by(name)
        .order_by(func.max(experiment.c.seq).desc())
        .limit(MOST_GROUPS)
    )
    found: dict[str, tuple[int | None, list[Kin]]] = {row.name: (row.limit, []) for row in tx.execute(newest)}
    stopping = experiment.c.stop_requested.is_not(None)
    alike = (name, experiment.c.status, experiment.c.reason, stopping)
    times = (func.min(experiment.c.accepted), func.max(experiment.c.accepted))
    counted = select(*alike, func.count(), *times).join(experiment, member).where(*conditions).group_by(*alike)
    for group, status, reason, stops, *rest in tx.execute(counted):
        if group in found:
            found[group][1].append(Kin(status, reason, bool(stops), *rest))
    return found
