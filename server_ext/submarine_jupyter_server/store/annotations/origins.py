"""Where experiments come from: the notebook and the cell that their specs name, and the body that was sent."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from submarine_jupyter_server.store.annotations.runtime_blocks import runtime_block
from submarine_jupyter_server.store.rows import FINAL_RANK, RANK, WHOLE, Among, ExperimentRow, whole
from submarine_jupyter_server.store.tables import experiment, origin

_INSERT = sa.insert(origin)
_MINE = origin.c.seq == sa.bindparam("of")


def begin(tx: Connection, seq: int, spec: str) -> None:
    """Keep what the spec of a new experiment names."""
    if found := _named(spec):
        tx.execute(_INSERT, {"seq": seq, **found, "digest": None})


def renew(tx: Connection, seq: int, spec: str) -> None:
    """Keep what another spec of an experiment names."""
    digest = tx.execute(sa.select(origin.c.digest).where(_MINE), {"of": seq}).scalar()
    tx.execute(sa.delete(origin).where(_MINE), {"of": seq})
    if found := _named(spec):
        tx.execute(_INSERT, {"seq": seq, **found, "digest": digest})


def remember(tx: Connection, seq: int, digest: str) -> None:
    """Keep the digest of the body from which an experiment was made, if its spec names a notebook."""
    tx.execute(sa.update(origin).where(_MINE).values(digest=digest), {"of": seq})


def of(tx: Connection, among: Among) -> dict[int, dict[str, str]]:
    """Return where the experiments of some numbers come from, as their specs say it."""
    found = tx.execute(sa.select(origin.c.seq, origin.c.notebook, origin.c.cell).where(among(origin.c.seq)))
    return {seq: {"notebook": notebook, **({"cell": cell} if cell else {})} for seq, notebook, cell in found}


def running(tx: Connection, *, notebook: str, cell: str, digest: str, owner: str | None = None) -> list[ExperimentRow]:
    """Return what the same body from the same cell has made and what has not ended, newest first.

    ``owner`` is whose experiments count, None: everybody's. What is being stopped does not run any more.
    """
    unfinished = [str(status) for status, rank in RANK.items() if rank < FINAL_RANK]
    where = [origin.c.notebook == notebook, origin.c.cell == cell, origin.c.digest == digest]
    where += [
        experiment.c.deleted.is_(None),
        experiment.c.stop_requested.is_(None),
        experiment.c.status.in_(unfinished),
    ]
    where += [] if owner is None else [experiment.c.owner == owner]
    found = sa.select(*WHOLE).join(origin, origin.c.seq == experiment.c.seq).where(*where)
    return [whole(row) for row in tx.execute(found.order_by(experiment.c.seq.desc()))]


def _named(spec: str) -> dict[str, Any] | None:
    found = runtime_block(spec, "origin")
    return {"notebook": found["notebook"], "cell": found.get("cell")} if found else None
