"""Know who lives below the shim, also for whoever has to clean up after it was killed."""

from __future__ import annotations

import os

from . import tree
from .identity import start_ticks

MAX_LISTED = 4096


class Census:
    """The processes below this one as they were at the last ``take``."""

    def __init__(self) -> None:
        self._below: dict[int, list[int]] = {}
        self._ticks: dict[int, int | None] = {}

    def take(self) -> bool:
        """Check again; return whether it is other processes than the last time."""
        below = {}
        found = [os.getpid()]
        for pid in found:  # grows while it is walked
            below[pid] = tree.children(pid)
            found += below[pid]
        self._below = below
        known = self._ticks
        self._ticks = {pid: known.get(pid) or start_ticks(pid) for pid in found[1 : MAX_LISTED + 1]}
        return known != self._ticks

    def tree_of(self, roots: list[int]) -> list[int]:
        """Return these processes and all below them."""
        found = list(roots)
        for pid in found:  # grows while it is walked
            found += self._below.get(pid, [])
        return found

    def listed(self) -> list[list[int]]:
        """Return [pid, start time in clock ticks] of each process below the shim."""
        return [[pid, ticks] for pid, ticks in self._ticks.items() if ticks is not None]
