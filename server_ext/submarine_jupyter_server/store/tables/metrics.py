"""The curves of metrics, and how far logs were read for them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Float, ForeignKey, Index, Table

from submarine_jupyter_server.store.tables.base import metadata, of_experiment
from submarine_jupyter_server.store.tables.dialect import Number, Text

# How far each curve goes (the points of one metric of one replica in one attempt), and the extremes of the stretch that
# it is in.
curve = Table(
    "curve",
    metadata,
    Column("number", Number, primary_key=True),
    of_experiment(nullable=False),
    Column("attempt", Number, nullable=False),
    Column("name", Text, nullable=False),
    Column("replica", Text, nullable=False),
    Column("count", Number, nullable=False),
    Column("first_seq", Number, nullable=False),
    Column("last_seq", Number, nullable=False),
    # The lowest and the highest point; a value is null where none is a number.
    Column("low_seq", Number, nullable=False),
    Column("low", Float),
    Column("high_seq", Number, nullable=False),
    Column("high", Float),
    Index("curve_of", "experiment_id", "attempt", "name", "replica", unique=True),
)


def _curve(**options: Any) -> Column[int]:
    return Column("curve", Number, ForeignKey("curve.number", ondelete="CASCADE"), **options)


# A point has few columns, and no text: there are millions of them.
metric = Table(
    "metric",
    metadata,
    Column("seq", Number, primary_key=True),
    _curve(nullable=False, index=True),
    Column("step", Number),
    Column("value", Float),
    Column("at", Number, nullable=False),
)

# The extremes of the stretches of a curve that have ended, many of them in one text (curves.growth).
curve_stretches = Table(
    "curve_stretches",
    metadata,
    _curve(primary_key=True),
    Column("text", Number, primary_key=True),
    Column("extremes", Text, nullable=False),
)

# How far the log of a replica has been read for metrics, in bytes.
log_position = Table(
    "log_position",
    metadata,
    of_experiment(primary_key=True),
    Column("attempt", Number, primary_key=True),
    Column("replica", Text, primary_key=True),
    Column("position", Number, nullable=False),
)

# The attempts whose logs were read to their end for metrics.
metrics_read = Table(
    "metrics_read",
    metadata,
    of_experiment(primary_key=True),
    Column("attempt", Number, primary_key=True),
)
