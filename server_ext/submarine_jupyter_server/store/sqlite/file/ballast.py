"""A file to give up when the disk is full, so that what has ended can still be recorded."""

from __future__ import annotations

import os
import time
from pathlib import Path

SIZE = 1 << 20
SUFFIX = ".ballast"
_RETRY_S = 1.0


class Ballast:
    """One mebibyte beside the database, released when the disk is full and taken back when there is space again."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + SUFFIX)
        self._next_try = 0.0
        self.released = not self._held()
        if self.released:
            self.restore()

    def release(self) -> None:
        """Give the space to the database."""
        self._path.unlink(missing_ok=True)
        self.released = True
        self._next_try = time.monotonic() + _RETRY_S

    def restore(self) -> None:
        """Take the space back if there is plenty again; checks once a second at most."""
        if not self.released or time.monotonic() < self._next_try:
            return
        self._next_try = time.monotonic() + _RETRY_S
        try:
            room = os.statvfs(self._path.parent)
            if room.f_bavail * room.f_frsize < 2 * SIZE:
                return
            self._fill()
        except OSError:
            self._path.unlink(missing_ok=True)
            return
        self.released = False

    def _held(self) -> bool:
        try:
            return self._path.stat().st_size == SIZE
        except OSError:
            return False

    def _fill(self) -> None:
        descriptor = os.open(self._path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            # Random: a file system that compresses would not keep the space for zeros.
            file.write(os.urandom(SIZE))
            file.flush()
            os.fsync(file.fileno())
