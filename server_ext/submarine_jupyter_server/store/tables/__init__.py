"""The tables.

A change here needs a migration in ``sqlite/migrations/versions`` and its number in ``sqlite.schema.REVISIONS``; a test
compares what the migrations build with what stands here.

base         what all tables share
dialect      what tables and queries need of SQL, and SQLAlchemy says differently from engine to engine
experiments  the experiments, what is kept beside them, and what was ordered for them
metrics      curves, and how far logs were read for them
reported     what targets and training code report
"""

from __future__ import annotations

from .base import ONLY, alembic_version, meta, metadata
from .experiments import (
    FILTERED,
    attempt_spec,
    experiment,
    experiment_tag,
    experiment_value,
    group_member,
    housekeeping,
    idempotency,
    origin,
    outbox,
    shown_values,
)
from .metrics import curve, curve_stretches, log_position, metric, metrics_read
from .reported import event, made_object, param, progress, replica, row_change

__all__ = [
    "FILTERED",
    "ONLY",
    "alembic_version",
    "attempt_spec",
    "curve",
    "curve_stretches",
    "event",
    "experiment",
    "experiment_tag",
    "experiment_value",
    "group_member",
    "housekeeping",
    "idempotency",
    "log_position",
    "made_object",
    "meta",
    "metadata",
    "metric",
    "metrics_read",
    "origin",
    "outbox",
    "param",
    "progress",
    "replica",
    "row_change",
    "shown_values",
]
