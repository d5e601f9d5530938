"""What people note about experiments: a text, whether it is pinned, whether it is archived. Most have none of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from submarine_jupyter_server.store.engine.space import require_space
from submarine_jupyter_server.store.tables import housekeeping
from submarine_jupyter_server.store.tables.dialect import insert_or_replace

_PUT = insert_or_replace(housekeeping)


@dataclass(frozen=True, slots=True)
class Noted:
    """What is noted about one experiment."""

    note: str | None = None
    pinned: bool = False
    archived: bool = False


_SHOWN = tuple(housekeeping.c[name] for name in Noted.__dataclass_fields__)


def change(tx: Connection, seq: int, values: Mapping[str, Any]) -> Noted:
    """Change what is noted about the experiment of a number, and return it. Raises StorageFull."""
    require_space(tx)
    found = tx.execute(sa.select(*_SHOWN).where(housekeeping.c.seq == seq)).first()
    noted = replace(Noted(*found) if found else Noted(), **values)
    if noted == Noted():
        tx.execute(sa.delete(housekeeping).where(housekeeping.c.seq == seq))
    else:
        tx.execute(_PUT, {"seq": seq, **asdict(noted)})
    return noted


def of(tx: Connection, seqs: Sequence[int]) -> dict[int, Noted]:
    """Return what is noted about the experiments of some numbers, those without anything left out."""
    found = tx.execute(sa.select(housekeeping.c.seq, *_SHOWN).where(housekeeping.c.seq.in_(seqs)))
    return {seq: Noted(*values) for seq, *values in found}
