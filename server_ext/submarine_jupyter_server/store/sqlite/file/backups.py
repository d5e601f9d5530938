"""Copies of the database to fall back on."""

from __future__ import annotations

import sqlite3
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from submarine_jupyter.errors import Unavailable
from submarine_jupyter.files import atomic_files
from submarine_jupyter_server.process.failpoints import reach

from . import filesystem

KEEP = 3
_STEP_PAGES = 1024
_LONGEST_S = 120.0
_ABANDONED_S = 3600.0
_DAY_S = 86_400.0
_CLOCKS_DIFFER_S = 3600.0


def stamp(seconds: float = 0.0) -> str:
    """Return the present, or so many seconds later, as a part of a file name; names sort like the times."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y%m%dT%H%M%S%f")


def directory(path: Path) -> Path:
    """Return where the backups of a database are."""
    return path.parent / "backups"


def stored(path: Path) -> list[Path]:
    """Return the backups of a database, newest first; those that a wrong clock dated in the future come last."""
    now = f"{path.stem}-{stamp(_CLOCKS_DIFFER_S)}.db"
    return sorted(
        directory(path).glob(f"{path.stem}-*.db"), key=lambda backup: (backup.name <= now, backup.name), reverse=True
    )


def due(path: Path) -> bool:
    """Return whether there is no backup of the last day."""
    newest = next(iter(stored(path)), None)
    day = (f"{path.stem}-{stamp(seconds)}.db" for seconds in (-_DAY_S, _CLOCKS_DIFFER_S))
    return newest is None or not next(day) <= newest.name <= next(day)


def make(path: Path, source: sqlite3.Connection) -> Path:
    """Copy the database behind ``source`` and return the copy; the newest three are kept.

    A copy has its name only once it is whole and on disk.
    """
    folder = directory(path)
    folder.mkdir(mode=0o700, exist_ok=True)
    for left in folder.glob(f"{path.stem}-*.part"):
        if time.time() - left.stat().st_mtime > _ABANDONED_S:
            left.unlink(missing_ok=True)
    final = folder / f"{path.stem}-{stamp()}.db"
    part = final.with_suffix(".part")
    filesystem.new_file(part)
    try:
        copy(source, part)
        atomic_files.sync(part)
        reach("backup")
        part.rename(final)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    atomic_files.sync(folder)
    for old in stored(path)[KEEP:]:
        old.unlink(missing_ok=True)
    return final


def copy(source: sqlite3.Connection, to: Path) -> None:
    """Copy a database while it may be written, in steps between which a writer gets its turn."""
    deadline = time.monotonic() + _LONGEST_S

    def check(status: int, remaining: int, total: int) -> None:
        if time.monotonic() > deadline:
            raise Unavailable(
                "The backup took too long: the server wrote to the database all the time.", hint="Try later."
            )

    target = sqlite3.connect(to, isolation_level=None)
    try:
        # Nobody else sees this file before it was synced as a whole.
        target.execute("PRAGMA synchronous = OFF")
        target.execute("PRAGMA journal_mode = OFF")
        source.backup(target, pages=_STEP_PAGES, progress=check, sleep=0.01)
        problem = target.execute("PRAGMA quick_check(1)").fetchone()[0]
    finally:
        target.close()
    if problem != "ok":
        raise Unavailable(f"The database is damaged and was not backed up: {problem}.")
