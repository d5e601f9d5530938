"""What targets and training code report of experiments."""

from __future__ import annotations

from sqlalchemy import Column, Float, Index, Table

from submarine_jupyter_server.store.tables.base import ONLY, metadata, of_experiment
from submarine_jupyter_server.store.tables.dialect import Number, Text

replica = Table(
    "replica",
    metadata,
    of_experiment(primary_key=True),
    Column("attempt", Number, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("idx", Number, nullable=False),
    Column("status", Text, nullable=False),
    Column("exit_code", Number),
    Column("signal", Text),
    Column("reason", Text),
    Column("message", Text),
    Column("node", Text),
    Column("pid", Number),
    Column("restarts", Number, nullable=False),
    Column("started", Number),
    Column("finished", Number),
)

# What a target has made for an experiment, as its API named it: only this is the experiment's own. It is kept when it
# is gone, until the experiment is purged: somebody may have cut the rest off from the object that owned it.
made_object = Table(
    "object",
    metadata,
    of_experiment(primary_key=True),
    Column("position", Number, primary_key=True),
    Column("attempt", Number, nullable=False),
    Column("generation", Number, nullable=False),
    Column("kind", Text, nullable=False),
    Column("namespace", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("uid", Text, nullable=False),
    # When it was found to be gone.
    Column("gone", Number),
)
Index("object_there", made_object.c.experiment_id, info={ONLY: made_object.c.gone.is_(None)})

event = Table(
    "event",
    metadata,
    Column("seq", Number, primary_key=True),
    of_experiment(nullable=False, index=True),
    Column("at", Number, nullable=False),
    Column("type", Text, nullable=False),
    Column("status", Text),
    Column("reason", Text),
    Column("message", Text),
    Column("data", Text),
)

# How far an attempt is, as it said last; null where it has not said.
progress = Table(
    "progress",
    metadata,
    of_experiment(primary_key=True),
    Column("attempt", Number, primary_key=True),
    Column("percent", Float),
    Column("eta_seconds", Number),
    Column("source", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("moved_ms", Number, nullable=False),
)

# When the row of an experiment has changed by what is neither an event nor a metric: numbers grow, the last one counts.
row_change = Table(
    "row_change",
    metadata,
    Column("seq", Number, primary_key=True),
    of_experiment(nullable=False, unique=True),
)

# The settings that training code told; the value is JSON.
param = Table(
    "param",
    metadata,
    of_experiment(primary_key=True),
    Column("attempt", Number, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
