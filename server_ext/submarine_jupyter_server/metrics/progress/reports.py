"""What is stored of how far an attempt is: that of the replica that leads, and not each step of it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from submarine_jupyter.spec.vocabulary import replica_order

EACH_S = 1.0
"""So much time lies between two that are stored, at least."""
_LEADERS = ("chief", "master")


@dataclass(frozen=True, slots=True)
class Report:
    """How far an attempt was at ``moved_ms`` (Unix time in ms), when it moved last.

    ``percent`` is from 0 to 100, rounded down, None where no total is known; ``eta_seconds`` was the time to go then,
    None where that is not known. ``source`` is what said so: tracking, tqdm, keras or rich; ``label`` its words.
    """

    percent: float | None
    eta_seconds: int | None
    source: str
    label: str
    moved_ms: int


class Reports:
    """What the replicas of an attempt say, and what of it is known to be stored."""

    def __init__(self) -> None:
        self.stored: Report | None = None
        self._said: dict[str, Report] = {}
        self._at = -math.inf

    def note(self, replica: str, report: Report | None) -> None:
        """Take note of what a replica says now."""
        if report is not None:
            self._said[replica] = report

    @property
    def waiting(self) -> Report | None:
        """What is to be stored, None where nothing has moved."""
        if not self._said:
            return None
        report = self._said[min(self._said, key=_leads)]
        return None if report == self.stored else report

    @property
    def due(self) -> bool:
        """Whether it is long enough ago that something was stored."""
        return time.monotonic() - self._at >= EACH_S

    def note_stored(self, report: Report) -> None:
        """Take note that a report was stored now."""
        self.stored, self._at = report, time.monotonic()


def _leads(replica: str) -> tuple[bool, bool, tuple[int, str, int]]:
    """Return the key by which the replica that leads comes first: chief or master, then the workers."""
    role = replica.rpartition("-")[0]
    return role not in _LEADERS, role != "worker", replica_order(replica)
