"""Which schema a database file has, and how it gets the one this code needs."""

from __future__ import annotations

import uuid
from enum import Enum

from sqlalchemy import Connection, select

from submarine_jupyter_server.process.clock import now_ms
from submarine_jupyter_server.store.tables import alembic_version, event, meta, metadata, row_change
from submarine_jupyter_server.store.tables.dialect import insert_or_replace

# "SUBJ": tells `file` and us that the database is ours (https://www.sqlite.org/fileformat.html#application_id).
APPLICATION_ID = 0x5355424A
# All revisions, oldest first. Known here, so that a start needs Alembic only when there is something to migrate.
REVISIONS = ("0001",)
HEAD = REVISIONS[-1]
# More than were ever made between a backup and the loss of the database.
_UNKNOWN_EVENTS = 1_000_000_000


class Schema(Enum):
    """What a database file holds."""

    EMPTY = "nothing"
    CURRENT = "the schema of this code"
    OLDER = "a schema that this code can migrate"
    NEWER = "the schema of a newer version"
    FOREIGN = "the data of another program"
    BROKEN = "only a part of our schema"


def examine(tx: Connection) -> Schema:
    """Determine what the database holds."""
    names = tx.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars()
    tables = {name for name in names if not name.startswith("sqlite_")}
    if alembic_version.name not in tables:
        ours = tx.exec_driver_sql("PRAGMA application_id").scalar_one() == APPLICATION_ID
        return Schema.BROKEN if ours else Schema.FOREIGN if tables else Schema.EMPTY
    versions = tx.execute(select(alembic_version.c.version_num)).scalars().all()
    if len(versions) != 1 or not versions[0]:
        return Schema.BROKEN
    # What a later version calls its revisions cannot be known.
    if versions[0] != HEAD:
        return Schema.OLDER if versions[0] in REVISIONS else Schema.NEWER
    for table in metadata.sorted_tables:
        found = {row[1] for row in tx.exec_driver_sql(f'PRAGMA table_info("{table.name}")')}
        if not found.issuperset(table.c.keys()):
            return Schema.BROKEN
    return Schema.CURRENT


def create(tx: Connection) -> None:
    """Make all tables in an empty database."""
    tx.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
    metadata.create_all(tx, checkfirst=False)
    tx.execute(alembic_version.insert().values(version_num=HEAD))
    tx.execute(meta.insert().values(key="instance_id", value=str(uuid.uuid4())))
    renew(tx)


def renew(tx: Connection) -> None:
    """Begin to count anew, above all that was ever given out.

    The rows may be older than what the world has seen of them (a backup was restored), so ids of experiments get the
    present as their instance start, and numbers of events and of other changes go on from the present in milliseconds,
    or far above the last one that is known, should the clock be behind.
    """
    now = now_ms()
    known = tx.execute(select(meta.c.value).where(meta.c.key == "instance_start_ms")).scalar()
    start = max(now, int(known or 0) + 1)
    for key, value in (("instance_start_ms", start), ("counter", 0)):
        tx.execute(insert_or_replace(meta), {"key": key, "value": str(value)})
    for table in (event.name, row_change.name):
        given = tx.exec_driver_sql("SELECT max(seq) FROM sqlite_sequence WHERE name = ?", (table,)).scalar()
        numbers = max(start, _UNKNOWN_EVENTS + given if given else 0)
        tx.exec_driver_sql("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
        tx.exec_driver_sql("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, numbers))
