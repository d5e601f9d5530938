"""Show that the shim is at work: a lock says only that its process is there, and a stopped process keeps its locks."""

from __future__ import annotations

import contextlib
import os
import time

PERIOD_S = 5.0


class Heartbeat:
    """Touches the lock file of the attempt, whose open descriptor is ``lock``."""

    def __init__(self, lock: int) -> None:
        self._lock = lock
        self._due = 0.0

    def beat(self) -> None:
        """Set the time of the file to now, unless that was done less than ``PERIOD_S`` ago."""
        now = time.monotonic()
        if now >= self._due:
            self._due = now + PERIOD_S
            with contextlib.suppress(OSError):
                os.utime(self._lock)
