"""The tables.

A change here needs a migration in ``sqlite/migrations/versions`` and its number in ``sqlite.schema.REVISIONS``; a test
compares what the migrations build with what stands here.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, MetaData, String, Table

from .dialect import Number, Text, ascending

# In the ``info`` of an index: the rows that it holds, where these are not all.
ONLY = "only"

metadata = MetaData()

# Alembic's own table: it is here so that a new database is made, and an old one recognised, without importing Alembic.
alembic_version = Table("alembic_version", metadata, Column("version_num", String(32), primary_key=True))

meta = Table("meta", metadata, Column("key", Text, primary_key=True), Column("value", Text, nullable=False))

experiment = Table(
    "experiment",
    metadata,
    Column("seq", Number, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("uid", Text, nullable=False, unique=True),
    Column("owner", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("namespace", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("framework", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text),
    Column("message", Text),
    Column("notes", Text, nullable=False),
    Column("generation", Number, nullable=False),
    Column("attempt", Number, nullable=False),
    # How many the spec asks for.
    Column("replicas", Number, nullable=False),
    Column("accepted", Number, nullable=False),
    Column("created", Number),
    Column("running", Number),
    Column("finished", Number),
    Column("stop_requested", Number),
    Column("deleted", Number),
    # Whether it was written again from a record that lacks secret values and code: then nothing more is started for it.
    Column("restored", Boolean, nullable=False),
    # What the target has taken (store.changes), while a later change waits for its answer; null: what stands here.
    Column("applied", Text),
    # As a list shows it, without the texts of its code; null: as everywhere.
    Column("list_spec", Text),
    # The long columns come last: SQLite reads a row up to the last column asked for.
    Column("wire_spec", Text, nullable=False),
    Column("spec", Text, nullable=False),
)

FILTERED = ("status", "name", "owner", "framework", "target", "namespace")
_undeleted = {ONLY: experiment.c.deleted.is_(None)}
for _column in FILTERED:
    Index(f"experiment_{_column}", experiment.c[_column], info=_undeleted)
Index("experiment_finished", ascending(experiment.c.finished), info=_undeleted)
# Newest first by several common properties is answered from this index alone, without touching the rows: therefore
# "deleted", which is always null in it.
_listing = (experiment.c[_column] for _column in ("seq", *FILTERED, "id", "accepted", "deleted"))
Index("experiment_listing", *_listing, info=_undeleted)
Index("experiment_deleted", experiment.c.deleted, info={ONLY: experiment.c.deleted.is_not(None)})


def _experiment_id(**options: Any) -> Column[str]:
    return Column("experiment_id", Text, ForeignKey("experiment.id", ondelete="CASCADE"), **options)


# Tags of experiments that are not deleted, in the order of a list.
experiment_tag = Table(
    "experiment_tag",
    metadata,
    Column("tag", Text, primary_key=True),
    Column("seq", Number, ForeignKey("experiment.seq", ondelete="CASCADE"), primary_key=True, index=True),
)

# By what an experiment is found, sorted and compared beside its columns: parameters, and the last value of each metric
# with its step, the lowest and the highest.
experiment_value = Table(
    "experiment_value",
    metadata,
    Column("seq", Number, ForeignKey("experiment.seq", ondelete="CASCADE"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("number", Float),
    Column("text", Text),
    # Whether the text is a truth value as JSON has it.
    Column("truth", Boolean, nullable=False, default=False),
    Column("step", Number),
    Column("low", Float),
    Column("low_step", Number),
    Column("high", Float),
    Column("high_step", Number),
    Index("value_number", "kind", "name", "number"),
    Index("value_text", "kind", "name", "text"),
)

# Where an experiment comes from, where its spec says so, and the digest of the body that was sent.
origin = Table(
    "origin",
    metadata,
    Column("seq", Number, ForeignKey("experiment.seq", ondelete="CASCADE"), primary_key=True),
    Column("notebook", Text, nullable=False, index=True),
    Column("cell", Text),
    Column("digest", Text, index=True),
)

# The group that an experiment belongs to, where its spec names one; its place: it waits for one, has one, or is over.
group_member = Table(
    "group_member",
    metadata,
    Column("seq", Number, ForeignKey("experiment.seq", ondelete="CASCADE"), primary_key=True),
    Column("owner", Text, nullable=False),
    Column("name", Text, nullable=False, index=True),
    Column("max_running", Number),
    Column("place", Text, nullable=False),
    Index("group_place", "place", "owner", "name", "seq"),
)

# What people note about an experiment; there is a row only where there is something.
housekeeping = Table(
    "housekeeping",
    metadata,
    Column("seq", Number, ForeignKey("experiment.seq", ondelete="CASCADE"), primary_key=True),
    Column("pinned", Boolean, nullable=False),
    Column("archived", Boolean, nullable=False),
    Column("note", Text),
)

# What an attempt ran, masked, once the experiment shows something else.
attempt_spec = Table(
    "attempt_spec",
    metadata,
    _experiment_id(primary_key=True),
    Column("attempt", Number, primary_key=True),
    Column("wire_spec", Text, nullable=False),
)

replica = Table(
    "replica",
    metadata,
    _experiment_id(primary_key=True),
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
    _experiment_id(primary_key=True),
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

# At most one order per experiment: the latest intention.
outbox = Table(
    "outbox",
    metadata,
    Column("seq", Number, primary_key=True),
    _experiment_id(nullable=False, unique=True),
    Column("op", Text, nullable=False),
    Column("generation", Number, nullable=False),
    Column("attempt", Number, nullable=False),
    Column("attempts", Number, nullable=False),
    Column("next_at", Number, nullable=False, index=True),
    Column("last_error", Text),
    Column("last_reason", Text),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("path", Text, nullable=False),
    Column("body_hash", Text, nullable=False),
    _experiment_id(nullable=False, index=True),
    Column("response", Text, nullable=False),
    # Why the target refused it while its POST still waited, as JSON: then that is the answer.
    Column("refusal", Text),
    Column("created", Number, nullable=False),
)

event = Table(
    "event",
    metadata,
    Column("seq", Number, primary_key=True),
    _experiment_id(nullable=False, index=True),
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
    _experiment_id(primary_key=True),
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
    _experiment_id(nullable=False, unique=True),
)

# How far each curve goes (the points of one metric of one replica in one attempt), and the extremes of the stretch that
# it is in.
curve = Table(
    "curve",
    metadata,
    Column("number", Number, primary_key=True),
    _experiment_id(nullable=False),
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
    _experiment_id(primary_key=True),
    Column("attempt", Number, primary_key=True),
    Column("replica", Text, primary_key=True),
    Column("position", Number, nullable=False),
)

# The attempts whose logs were read to their end for metrics.
metrics_read = Table(
    "metrics_read",
    metadata,
    _experiment_id(primary_key=True),
    Column("attempt", Number, primary_key=True),
)

# The settings that training code told; the value is JSON.
param = Table(
    "param",
    metadata,
    _experiment_id(primary_key=True),
    Column("attempt", Number, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
