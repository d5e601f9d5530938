"""Whether somebody else has changed the database, without reading what it holds."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from .connection import connect


class DataVersion:
    """One connection of its own, kept while somebody asks; belongs to one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._raw: sqlite3.Connection | None = None
        self._version = -1

    def happened(self) -> bool:
        """Return whether another connection, of whatever process, has committed since the last call."""
        try:
            self._raw = self._raw or connect(self._path)
            version = int(self._raw.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error:
            # Whoever reads the database now finds out what is wrong.
            self.close()
            return True
        before, self._version = self._version, version
        return version != before

    def close(self) -> None:
        """Close the connection until the next call of ``happened``."""
        if self._raw is not None:
            self._raw.close()
        self._raw, self._version = None, -1
