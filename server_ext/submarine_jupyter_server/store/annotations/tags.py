"""The tags of experiments that are not deleted."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import Connection

from submarine_jupyter_server.store.tables import experiment_tag


def add(tx: Connection, seq: int, tags: Sequence[str]) -> None:
    """Give a new experiment its tags."""
    if tags:
        tx.execute(sa.insert(experiment_tag), [{"tag": tag, "seq": seq} for tag in dict.fromkeys(tags)])


def replace(tx: Connection, seq: int, tags: Sequence[str]) -> None:
    """Give an experiment these tags in place of those it has."""
    tx.execute(sa.delete(experiment_tag).where(experiment_tag.c.seq == seq))
    add(tx, seq, tags)
