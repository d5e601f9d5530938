"""The experiments, what is kept beside them, and what was ordered for them."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Table

from submarine_jupyter_server.store.tables.base import ONLY, metadata, of_experiment
from submarine_jupyter_server.store.tables.dialect import Number, Text, ascending

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

# Those of its parameters, and of its last values of metrics, that a row shows: a JSON object of each kind that it has.
shown_values = Table(
    "shown_values",
    metadata,
    Column("seq", Number, ForeignKey("experiment.seq", ondelete="CASCADE"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("text", Text, nullable=False),
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
    of_experiment(primary_key=True),
    Column("attempt", Number, primary_key=True),
    Column("wire_spec", Text, nullable=False),
)

# At most one order per experiment: the latest intention.
outbox = Table(
    "outbox",
    metadata,
    Column("seq", Number, primary_key=True),
    of_experiment(nullable=False, unique=True),
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
    of_experiment(nullable=False, index=True),
    Column("response", Text, nullable=False),
    # Why the target refused it while its POST still waited, as JSON: then that is the answer.
    Column("refusal", Text),
    Column("created", Number, nullable=False),
)
