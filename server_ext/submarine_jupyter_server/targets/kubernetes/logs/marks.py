"""From which line on to ask for a log again, learned from the stamps that go by."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from submarine_jupyter_server.logs.layout import TIME_STEP_NS

from .alignment import Mark
from .lines import MORE

# Threads of the container runtime stamp stdout and stderr: a line may be this much older than the one before it.
SLACK_NS = TIME_STEP_NS


class Marks:
    """Keeps the newest mark of one region, the greatest stamp of its source (``top``), and how far stamps went back."""

    __slots__ = ("_low_ns", "_noted_ns", "_ns", "_offset", "top")

    def __init__(self, top: int = MORE) -> None:
        self.top = top
        self._offset = 0
        self._ns = self._low_ns = MORE
        self._noted_ns = MORE - TIME_STEP_NS

    @classmethod
    def recovered(cls, records: Sequence[tuple[int, int]]) -> Marks:
        """Return those that (offset, Unix time in ns) records tell of."""
        found = cls()
        if records:
            offset, at_ns = max(records, key=lambda record: (record[1], -record[0]))
            found._offset = offset
            found.top = found._ns = found._noted_ns = at_ns
            found._low_ns = min(at_ns for place, at_ns in records if place >= offset)
        return found

    @property
    def mark(self) -> Mark | None:
        """The newest line to go on from, None before the first."""
        return None if self._ns < 0 else Mark(self._offset, self._ns)

    @property
    def since(self) -> str | None:
        """The time from which on the mark and all behind it is answered, None for any time."""
        second = (min(self._low_ns, self._ns) - SLACK_NS) // 1_000_000_000
        if self._ns < 0 or second <= 0:
            return None
        return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def pass_over(self, at_ns: int, offset: int) -> None:
        """Read the stamp of a line that is in the log already, as lines behind it may be."""
        low_ns = self._low_ns
        if at_ns > self.top:
            self.note(at_ns, offset)
        self._low_ns = min(low_ns, at_ns)

    def note(self, at_ns: int, offset: int) -> bool:
        """Read the stamp of a line that comes to the end, at ``offset``; return whether it is worth a record."""
        if at_ns > self.top or self._ns < 0:
            self.top = self._ns = self._low_ns = at_ns
            self._offset = offset
            if at_ns - self._noted_ns < TIME_STEP_NS:
                return False
            self._noted_ns = at_ns
            return True
        if at_ns > self._low_ns - TIME_STEP_NS:
            return False
        # A clock was set back: how far to go back has to be known after a crash, too.
        self._low_ns = at_ns
        return True
