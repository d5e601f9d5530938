"""Have the names in a folder survive a power cut, once for all who ask for it at the same time."""

from __future__ import annotations

import threading
from pathlib import Path

from submarine_jupyter.files import atomic_files


class SharedSync:
    """Syncs one folder; whoever asks while others are at it shares the next sync with all who wait."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = threading.Lock()
        self._begun = 0
        self._done = 0

    def __call__(self) -> None:
        """Return once a sync that began after this call has ended. Blocks. Raises OSError."""
        wanted = self._begun + 1
        with self._turn:
            if self._done >= wanted:
                return
            self._begun += 1
            atomic_files.sync(self._path)
            self._done = self._begun
