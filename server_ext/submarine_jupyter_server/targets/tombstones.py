"""What a deletion leaves for good, also where all else is purged: an older copy of the database may come back.

``<runs>/<id>/deleted`` is empty. It goes when no copy that could come back is as old as it is, and when nothing else is
kept of the experiment any more.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from submarine_jupyter.spec.experiment_ids import is_id

NAME = "deleted"
KEPT_S = 30 * 86_400.0


def bury(folder: Path) -> None:
    """Set the tombstone of the experiment whose files are in ``folder``, through a power cut too. Blocks."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / NAME).touch(mode=0o600)
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def clear(folder: Path) -> None:
    """Remove everything in ``folder`` but the tombstone. Blocks."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != NAME:
            path.unlink(missing_ok=True)


def stands(folder: Path) -> bool:
    """Return whether there is a tombstone; one of long ago, alone in its folder, is removed with it. Blocks."""
    try:
        age = time.time() - (folder / NAME).lstat().st_mtime
        if age <= KEPT_S or os.listdir(folder) != [NAME]:
            return True
    except (FileNotFoundError, NotADirectoryError):
        return False
    shutil.rmtree(folder, ignore_errors=True)
    return False


def all_of(runs: Path) -> list[str]:
    """Return the ids of all experiments that have a tombstone. Blocks."""
    names = [path.name for path in runs.iterdir()] if runs.is_dir() else []
    return sorted(name for name in names if is_id(name) and stands(runs / name))
