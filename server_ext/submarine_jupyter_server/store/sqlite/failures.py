"""What an error of SQLite means to a person."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from submarine_jupyter.errors import ReadOnly, StorageFull, SubmarineError, Unavailable

from .file import filesystem

# https://www.sqlite.org/rescode.html: the primary result codes, the low byte of the extended ones.
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_DISK = {
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOLFS,
}


_MAYBE_FULL = {
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_IOERR_DIR_FSYNC,
    sqlite3.SQLITE_IOERR_FSYNC,
    sqlite3.SQLITE_IOERR_SHMSIZE,
    sqlite3.SQLITE_IOERR_TRUNCATE,
    sqlite3.SQLITE_IOERR_WRITE,
}


class Damaged(Unavailable):
    """The database file is not intact: only opening it again, which restores a backup, helps."""


def code(error: BaseException) -> int:
    """Return the extended result code of SQLite, 0 if the error is none of SQLite's."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return getattr(cause, "sqlite_errorcode", None) or 0


def is_busy(error: BaseException) -> bool:
    """Return whether another process held the lock for too long."""
    return code(error) & 0xFF in _BUSY


def is_full(error: BaseException, path: Path) -> bool:
    """Return whether the disk of ``path``, or the user's share of it, is full.

    SQLite says so of ENOSPC in a write only: for a quota, or a file system that finds out when it syncs, it says "disk
    I/O error", and one more write tells.
    """
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    found = code(error)
    return found & 0xFF == sqlite3.SQLITE_FULL or (found in _MAYBE_FULL and filesystem.is_full(path.parent))


def is_damage(error: BaseException) -> bool:
    """Return whether the file is not, or no longer, an intact database; a missing end counts as damage."""
    return code(error) & 0xFF in _DAMAGED or code(error) == sqlite3.SQLITE_IOERR_SHORT_READ


def is_disk(error: BaseException) -> bool:
    """Return whether the file system refused something."""
    return isinstance(error, OSError) or code(error) & 0xFF in _DISK


def explain(error: BaseException, path: Path) -> SubmarineError | None:
    """Return what the user should read, None when the error is the caller's own (a constraint, a bug)."""
    if isinstance(error, SubmarineError):
        return error
    if is_full(error, path):
        return StorageFull(
            f"The disk of {path.parent} is full: nothing was stored.",
            hint="Free some space there and try again; running experiments go on, no restart is needed.",
        )
    if is_busy(error):
        return Unavailable(
            f"Another process keeps the database {path.name} locked.",
            hint="Try again; if it lasts, look for a stopped or hanging server that uses the same data directory.",
        )
    if is_damage(error):
        return Damaged(
            f"The database {path} is damaged ({error_text(error)}).",
            hint="Restart the Jupyter Server: it sets the file aside and restores the newest backup.",
        )
    if is_disk(error):
        return Unavailable(
            f"The database {path} cannot be accessed ({error_text(error)}).",
            hint="Check the disk, its quota and the permissions of that directory.",
        )
    return None


def newer(path: Path) -> ReadOnly:
    """Return the refusal to write a database whose schema is newer than this code."""
    return ReadOnly(
        f"The database {path} was written by a newer version of submarine-jupyter: this server only reads it.",
        hint="Upgrade submarine-jupyter on this server, then restart it.",
    )


def error_text(error: BaseException) -> str:
    """Return SQLite's own words, without the statement."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return str(cause)
