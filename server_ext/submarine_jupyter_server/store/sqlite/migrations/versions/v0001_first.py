"""The first schema."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

_STATEMENTS = (
    """
    CREATE TABLE meta (
        "key" TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY ("key")
    )
    """,
    """
    CREATE TABLE experiment (
        seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL,
        uid TEXT NOT NULL,
        owner TEXT NOT NULL,
        target TEXT NOT NULL,
        namespace TEXT NOT NULL,
        name TEXT NOT NULL,
        framework TEXT NOT NULL,
        status TEXT NOT NULL,
        reason TEXT,
        message TEXT,
        notes TEXT NOT NULL,
        generation INTEGER NOT NULL,
        attempt INTEGER NOT NULL,
        replicas INTEGER NOT NULL,
        accepted INTEGER NOT NULL,
        created INTEGER,
        running INTEGER,
        finished INTEGER,
        stop_requested INTEGER,
        deleted INTEGER,
        restored BOOLEAN NOT NULL,
        applied TEXT,
        list_spec TEXT,
        wire_spec TEXT NOT NULL,
        spec TEXT NOT NULL,
        UNIQUE (id),
        UNIQUE (uid)
    )
    """,
    "CREATE INDEX experiment_deleted ON experiment (deleted) WHERE deleted IS NOT NULL",
    "CREATE INDEX experiment_target ON experiment (target) WHERE deleted IS NULL",
    "CREATE INDEX experiment_status ON experiment (status) WHERE deleted IS NULL",
    "CREATE INDEX experiment_name ON experiment (name) WHERE deleted IS NULL",
    "CREATE INDEX experiment_finished ON experiment (finished) WHERE deleted IS NULL",
    "CREATE INDEX experiment_owner ON experiment (owner) WHERE deleted IS NULL",
    "CREATE INDEX experiment_namespace ON experiment (namespace) WHERE deleted IS NULL",
    "CREATE INDEX experiment_framework ON experiment (framework) WHERE deleted IS NULL",
    """
    CREATE INDEX experiment_listing ON experiment (
        seq, status, name, owner, framework, target, namespace, id, accepted, deleted
    )
    WHERE deleted IS NULL
    """,
    """
    CREATE TABLE experiment_tag (
        tag TEXT NOT NULL,
        seq INTEGER NOT NULL,
        PRIMARY KEY (tag, seq),
        FOREIGN KEY(seq) REFERENCES experiment (seq) ON DELETE CASCADE
    )
    WITHOUT ROWID
    """,
    "CREATE INDEX ix_experiment_tag_seq ON experiment_tag (seq)",
    """
    CREATE TABLE experiment_value (
        seq INTEGER NOT NULL,
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        number FLOAT,
        text TEXT,
        truth BOOLEAN NOT NULL,
        step INTEGER,
        low FLOAT,
        low_step INTEGER,
        high FLOAT,
        high_step INTEGER,
        PRIMARY KEY (seq, kind, name),
        FOREIGN KEY(seq) REFERENCES experiment (seq) ON DELETE CASCADE
    )
    WITHOUT ROWID
    """,
    "CREATE INDEX value_number ON experiment_value (kind, name, number)",
    "CREATE INDEX value_text ON experiment_value (kind, name, text)",
    """
    CREATE TABLE shown_values (
        seq INTEGER NOT NULL,
        kind TEXT NOT NULL,
        text TEXT NOT NULL,
        PRIMARY KEY (seq, kind),
        FOREIGN KEY(seq) REFERENCES experiment (seq) ON DELETE CASCADE
    )
    WITHOUT ROWID
    """,
    """
    CREATE TABLE origin (
        seq INTEGER NOT NULL,
        notebook TEXT NOT NULL,
        cell TEXT,
        digest TEXT,
        PRIMARY KEY (seq),
        FOREIGN KEY(seq) REFERENCES experiment (seq) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_origin_notebook ON origin (notebook)",
    "CREATE INDEX ix_origin_digest ON origin (digest)",
    """
    CREATE TABLE group_member (
        seq INTEGER NOT NULL,
        owner TEXT NOT NULL,
        name TEXT NOT NULL,
        max_running INTEGER,
        place TEXT NOT NULL,
        PRIMARY KEY (seq),
        FOREIGN KEY(seq) REFERENCES experiment (seq) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX group_place ON group_member (place, owner, name, seq)",
    "CREATE INDEX ix_group_member_name ON group_member (name)",
    """
    CREATE TABLE housekeeping (
        seq INTEGER NOT NULL,
        pinned BOOLEAN NOT NULL,
        archived BOOLEAN NOT NULL,
        note TEXT,
        PRIMARY KEY (seq),
        FOREIGN KEY(seq) REFERENCES experiment (seq) ON DELETE CASCADE
    )
    """,
    """
    CREATE TABLE attempt_spec (
        experiment_id TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        wire_spec TEXT NOT NULL,
        PRIMARY KEY (experiment_id, attempt),
        FOREIGN KEY(experiment_id) REFERENCES experiment (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE TABLE replica (
        experiment_id TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        name TEXT NOT NULL,
        role TEXT NOT NULL,
        idx INTEGER NOT NULL,
        status TEXT NOT NULL,
        exit_code INTEGER,
        signal TEXT,
        reason TEXT,
        message TEXT,
        node TEXT,
        pid INTEGER,
        restarts INTEGER NOT NULL,
        started INTEGER,
        finished INTEGER,
        PRIMARY KEY (experiment_id, attempt, name),
        FOREIGN KEY(experiment_id) REFERENCES experiment (id) ON DELETE CASCADE
    )
    WITHOUT ROWID
    """,
    """
    CREATE TABLE object (
        experiment_id TEXT NOT NULL,
        position INTEGER NOT NULL,
        attempt INTEGER NOT NULL,
        generation INTEGER NOT NULL,
        kind TEXT NOT NULL,
        namespace TEXT NOT NULL,
        name TEXT NOT NULL,
        uid TEXT NOT NULL,
        gone INTEGER,
        PRIMARY KEY (experiment_id, position),
        FOREIGN KEY(experiment_id) REFERENCES experiment (id) ON DELETE CASCADE
    )
    WITHOUT ROWID
    """,
    "CREATE INDEX object_there ON object (experiment_id) WHERE gone IS NULL",
    """
    CREATE TABLE outbox (
        seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        experiment_id TEXT NOT NULL,
        op TEXT NOT NULL,
        generation INTEGER NOT NULL,
        attempt INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        next_at INTEGER NOT NULL,
        last_error TEXT,
        last_reason TEXT,
        UNIQUE (experiment_id),
        FOREIGN KEY(experiment_id) REFERENCES experiment (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_outbox_next_at ON outbox (next_at)",
    """
    CREATE TABLE idempotency (
        owner TEXT NOT NULL,
        "key" TEXT NOT NULL,
        path TEXT NOT NULL,
        body_hash TEXT NOT NULL,
        experiment_id TEXT NOT NULL,
        response TEXT NOT NULL,
        refusal TEXT,
        created INTEGER NOT NULL,
        PRIMARY KEY (owner, "key"),
        FOREIGN KEY(experiment_id) REFERENCES experiment (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_idempotency_experiment_id ON idempotency (experiment_id)",
    """
    CREATE TABLE event (
        seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        experiment_id TEXT NOT NULL,
        at INTEGER NOT NULL,
        type TEXT NOT NULL,
        status TEXT,
        reason TEXT,
        message TEXT,
        data TEXT,
        FOREIGN KEY(experiment_id) REFERENCES experiment (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_event_experiment_id ON event (experiment_id)",
    """
    CREATE TABLE progress (
        experiment_id TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        percent FLOAT,
        eta_seconds INTEGER,
        source TEXT NOT NULL,
        label TEXT NOT NULL,
        moved_ms INTEGER NOT NULL,
        PRIMARY KEY (experiment_id, attempt),
        FOREIGN KEY(experiment_id) REFERENCES experiment (id) ON DELETE CASCADE
    )
    WITHOUT ROWID
    """,
    """
    CREATE TABLE row_change (
        seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        experiment_id TEXT NOT NULL,
        UNIQUE (experiment_id),
        FOREIGN KEY(experiment_id) REFERENCES experiment (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE TABLE curve (
        number INTEGER NOT NULL,
        experiment_id TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        name TEXT NOT NULL,
        replica TEXT NOT NULL,
        count INTEGER NOT NULL,
        first_seq INTEGER NOT NULL,
        last_seq INTEGER NOT NULL,
        low_seq INTEGER NOT NULL,
        low FLOAT,
        high_seq INTEGER NOT NULL,
        high FLOAT,
        PRIMARY KEY (number),
        FOREIGN KEY(experiment_id) REFERENCES experiment (id) ON DELETE CASCADE
    )
    """,
    "CREATE UNIQUE INDEX curve_of ON curve (experiment_id, attempt, name, replica)",
    """
    CREATE TABLE metric (
        seq INTEGER NOT NULL,
        curve INTEGER NOT NULL,
        step INTEGER,
        value FLOAT,
        at INTEGER NOT NULL,
        PRIMARY KEY (seq),
        FOREIGN KEY(curve) REFERENCES curve (number) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_metric_curve ON metric (curve)",
    """
    CREATE TABLE curve_stretches (
        curve INTEGER NOT NULL,
        text INTEGER NOT NULL,
        extremes TEXT NOT NULL,
        PRIMARY KEY (curve, text),
        FOREIGN KEY(curve) REFERENCES curve (number) ON DELETE CASCADE
    )
    """,
    """
    CREATE TABLE log_position (
        experiment_id TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        replica TEXT NOT NULL,
        position INTEGER NOT NULL,
        PRIMARY KEY (experiment_id, attempt, replica),
        FOREIGN KEY(experiment_id) REFERENCES experiment (id) ON DELETE CASCADE
    )
    WITHOUT ROWID
    """,
    """
    CREATE TABLE metrics_read (
        experiment_id TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        PRIMARY KEY (experiment_id, attempt),
        FOREIGN KEY(experiment_id) REFERENCES experiment (id) ON DELETE CASCADE
    )
    WITHOUT ROWID
    """,
    """
    CREATE TABLE param (
        experiment_id TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        name TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (experiment_id, attempt, name),
        FOREIGN KEY(experiment_id) REFERENCES experiment (id) ON DELETE CASCADE
    )
    WITHOUT ROWID
    """,
)


def upgrade() -> None:
    """Make all tables in an empty database."""
    for statement in _STATEMENTS:
        op.execute(statement)
