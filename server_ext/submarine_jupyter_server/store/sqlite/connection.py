"""Connections to the database file, set up the same way everywhere."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.pool import NullPool

from . import layout as layout  # the forms of SQLite, registered before the first statement
from .file.filesystem import journal_mode

BUSY_S = 5.0
_READER_CACHE_KIB = 8192


def engine(path: Path, *, read_only: bool = False) -> Engine:
    """Return an engine whose connections begin no transaction by themselves.

    The driver's own transaction control is off: ``BEGIN IMMEDIATE`` is the only way that a writer never fails because
    it read first (https://www.sqlite.org/lang_transaction.html).
    """
    mode = None if read_only else journal_mode(path)
    return create_engine("sqlite+pysqlite://", creator=lambda: connect(path, mode), poolclass=NullPool)


_DECODE = partial(str, encoding="utf-8", errors="replace")


def connect(path: Path, journal: str | None = None) -> sqlite3.Connection:
    """Connect to an existing file; without ``journal`` the connection can only read.

    Not SQLite's read-only mode: a reader, too, must be able to roll back what a killed writer left.
    """
    raw = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=BUSY_S,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    # One damaged byte must not hide the hundred rows around it.
    raw.text_factory = _DECODE
    try:
        raw.execute("PRAGMA foreign_keys = ON")
        raw.execute("PRAGMA trusted_schema = OFF")
        raw.execute("PRAGMA mmap_size = 0")
        if journal is None:
            raw.execute(f"PRAGMA cache_size = -{_READER_CACHE_KIB}")
            raw.execute("PRAGMA query_only = ON")
        else:
            _set_journal(raw, journal)
    except BaseException:
        raw.close()
        raise
    return raw


def _set_journal(raw: sqlite3.Connection, journal: str) -> None:
    # Another connection in WAL mode keeps that mode alive; SQLite answers with what holds, or that it is locked.
    with contextlib.suppress(sqlite3.OperationalError):
        raw.execute(f"PRAGMA journal_mode = {journal}")
    now = raw.execute("PRAGMA journal_mode").fetchone()[0]
    raw.execute(f"PRAGMA synchronous = {'FULL' if now == 'wal' else 'EXTRA'}")


def raw_of(tx: Connection) -> sqlite3.Connection:
    """Return the driver's connection under ``tx``."""
    raw = tx.connection.dbapi_connection
    assert isinstance(raw, sqlite3.Connection)  # noqa: S101 - for the type checker
    return raw


def control(tx: Connection, statement: str) -> sqlite3.Cursor:
    """Carry out what begins, divides or configures a transaction. Raises sqlite3.Error.

    There are as many of these as of statements with rows, and SQLAlchemy has nothing to add to them but time.
    """
    return raw_of(tx).execute(statement)


@contextlib.contextmanager
def opened(path: Path, *, foreign_keys: bool = True) -> Iterator[Connection]:
    """Open the file for one thing that is done before the server's own connections exist."""
    temporary = engine(path)
    try:
        with temporary.connect() as tx:
            if not foreign_keys:
                tx.exec_driver_sql("PRAGMA foreign_keys = OFF")
                tx.commit()
            yield tx
    finally:
        temporary.dispose()


@contextlib.contextmanager
def immediate(tx: Connection) -> Iterator[Connection]:
    """Run a block in one write transaction; an exception leaves everything as it was."""
    tx.exec_driver_sql("BEGIN IMMEDIATE")
    try:
        yield tx
        tx.commit()
    finally:
        abandon(tx)


def abandon(tx: Connection) -> None:
    """Roll back what is open, on SQLite's side and on SQLAlchemy's.

    After a full disk SQLite has rolled back by itself, after a failed commit SQLAlchemy believes that it is over.
    """
    raw = raw_of(tx)
    if raw.in_transaction:
        raw.rollback()
    if tx.in_transaction():
        tx.rollback()
