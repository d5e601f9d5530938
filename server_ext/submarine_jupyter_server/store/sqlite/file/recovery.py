"""Make the database file usable before the server works with it: create it, restore it, migrate it.

Called while no other server has the file open. The file is never thrown away: what is damaged is set aside.
"""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import threading
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from submarine_jupyter.errors import Unavailable
from submarine_jupyter.files import atomic_files
from submarine_jupyter_server.store.sqlite import failures, schema
from submarine_jupyter_server.store.sqlite.connection import immediate, opened, raw_of
from submarine_jupyter_server.store.sqlite.schema import Schema

from . import backups, filesystem
from .ballast import SUFFIX

log = logging.getLogger(__name__)
_CHECK_S = 1.0
_REBUILT = "The server reads what happened since then from the run directories and the targets."


def repair(path: Path) -> tuple[str | None, bool]:
    """Make sure that there is an intact database, an empty one at least.

    Returns what the user should read, if anything, and whether rows may be missing that once were there.
    """
    trouble = _trouble(path)
    if trouble is None:
        return None, False
    if path.exists() and path.stat().st_size:
        aside = _set_aside(path)
        what = f"The database of experiments was damaged ({trouble}) and was set aside as {aside.name}."
    else:
        # A server that was killed while it made its first database leaves an empty one: nothing to talk about.
        what = f"The database of experiments {trouble}." if _was_used(path) else ""
        _set_aside(path)
    restored = _restore_newest(path)
    if restored is not None:
        made = datetime.fromtimestamp(restored.stat().st_mtime, UTC).astimezone()
        return f"{what} The backup of {made:%Y-%m-%d %H:%M:%S} was restored. {_REBUILT}", True
    _create(path)
    return (f"{what} There was no backup: the server made a new database. {_REBUILT}" if what else None), True


def migrate(path: Path) -> Schema:
    """Bring an older schema up to date, with a backup of the file before; return what the file holds then."""
    with opened(path, foreign_keys=False) as tx:
        found = schema.examine(tx)
        tx.rollback()
        if found is not Schema.OLDER:
            return found
        log.info("The database %s gets the schema %s", path, schema.HEAD)
        backups.make(path, raw_of(tx))
        with immediate(tx):
            # Only here: Alembic costs a tenth of a second, and most starts have nothing to migrate.
            from submarine_jupyter_server.store.sqlite.migrations.upgrade import upgrade

            upgrade(tx)
        return Schema.CURRENT


def _trouble(path: Path) -> str | None:
    """Return what is wrong with the file, None if it is a database that can be used. Raises Unavailable."""
    if not path.exists():
        return "was missing"
    if path.stat().st_size == 0:
        return "was empty"
    try:
        with opened(path) as tx:
            return _examine(tx, path)
    except (DBAPIError, sqlite3.Error) as error:
        other = failures.is_busy(error) or failures.is_disk(error) or failures.is_full(error, path)
        if other and not failures.is_damage(error) and not _falsely_read_only(error, path):
            raise failures.explain(error, path) or error from error
        return failures.error_text(error)


def _examine(tx: Connection, path: Path) -> str | None:
    problem = _quick_check(raw_of(tx))
    if problem is not None:
        return problem
    # A damaged header can forbid writing; this finds out without writing anything.
    with immediate(tx):
        found = schema.examine(tx)
    if found is Schema.FOREIGN:
        raise Unavailable(
            f"{path} is a database of another program.", hint="Move it away or choose another data directory."
        )
    if found is Schema.EMPTY:
        return "was empty"
    return "parts of it are missing" if found is Schema.BROKEN else None


def _quick_check(raw: sqlite3.Connection) -> str | None:
    """Return the first inconsistency that is found within a second: a large file is not read to its end."""
    # Not a progress handler: until SQLite 3.41 none is called during the check, which is one long instruction.
    alarm = threading.Timer(_CHECK_S, raw.interrupt)
    alarm.start()
    try:
        found = raw.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        if failures.code(error) != sqlite3.SQLITE_INTERRUPT:
            raise
        return None
    finally:
        alarm.cancel()
        alarm.join()
    return None if found is None or found[0] == "ok" else str(found[0])


def _falsely_read_only(error: BaseException, path: Path) -> bool:
    return failures.code(error) & 0xFF == sqlite3.SQLITE_READONLY and os.access(path, os.W_OK)


def _was_used(path: Path) -> bool:
    """Return whether the data directory shows that there was a database: backups, run directories, the ballast."""
    left = (*backups.stored(path), *path.parent.glob("runs/*"), path.with_name(path.name + SUFFIX))
    return any(each.exists() for each in left)


def _set_aside(path: Path) -> Path:
    """Rename the database and the files beside it, those first: a journal must never meet another database."""
    aside = path.with_name(f"{path.name}.corrupt-{backups.stamp()}")
    for file in (*filesystem.companions(path), path):
        if file.exists() and file.stat().st_size:
            file.rename(aside.with_name(aside.name + file.name.removeprefix(path.name)))
        else:
            file.unlink(missing_ok=True)
    atomic_files.sync(path.parent)
    return aside


def _restore_newest(path: Path) -> Path | None:
    """Put the newest good backup in the place of the database; return that backup."""
    part = path.with_name(path.name + ".restoring")
    for backup in backups.stored(path):
        part.unlink(missing_ok=True)
        filesystem.new_file(part)
        shutil.copyfile(backup, part)
        if _renewed(part):
            atomic_files.sync(part)
            part.rename(path)
            atomic_files.sync(path.parent)
            return backup
        log.warning("The backup %s cannot be used; trying an older one", backup)
    part.unlink(missing_ok=True)
    return None


def _renewed(copy: Path) -> bool:
    """Make a copied backup ready to be used; False if it is damaged itself."""
    try:
        with opened(copy) as tx:
            if _quick_check(raw_of(tx)) is not None:
                return False
            with immediate(tx):
                if schema.examine(tx) not in (Schema.CURRENT, Schema.OLDER):
                    return False
                schema.renew(tx)
            return True
    except (DBAPIError, sqlite3.Error):
        return False


def _create(path: Path) -> None:
    filesystem.new_file(path)
    with opened(path) as tx, immediate(tx):
        schema.create(tx)
