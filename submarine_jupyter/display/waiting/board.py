"""What is known of an experiment while a cell waits for it; two threads write it, the one of the cell draws it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from submarine_jupyter.client.following import Gap, Item, Lines, Partial, State
from submarine_jupyter.display.card.experiment import LAST_LINES, Shown
from submarine_jupyter.display.waiting.budget import Budget, Kept

Document = dict[str, Any]
REPORTS = ("submarine-metric {", "submarine-param {", "submarine-progress {")


class Board:
    """The newest document of an experiment, its metrics, its lines; whether the end has come, or what went wrong."""

    def __init__(self, known: Document, budget: Budget, tail: int | None = None) -> None:
        self._changed = threading.Condition()
        self._news = True
        self._kept = Kept(budget, tail)
        self._bars: dict[str, str] = {}
        self.known = known
        self.series: Sequence[Document] = ()
        self.away: datetime | None = None
        self.trouble = ""
        self.over = threading.Event()
        self.error: Exception | None = None
        # Set when the document is known to be old.
        self.stale = threading.Event()

    def take(self, item: Item) -> None:
        """Put what the followed log brings."""
        with self._changed:
            if isinstance(item, Lines):
                self._bars.pop(item.replica, None)
                for line in item.lines:
                    # What training code reports by submarine_jupyter.tracking is shown as metrics and progress.
                    if not line.startswith(REPORTS):
                        self._kept.add(item.replica, line)
            elif isinstance(item, Partial):
                # Of nested bars the outermost, which is written first.
                first = next((line for line in item.text.splitlines() if line.strip()), "")
                if first:
                    self._bars[item.replica] = first
            elif isinstance(item, Gap):
                self._kept.add(item.replica, f"… {abs(item.stop - item.start)} bytes of its log are lost …")
            elif isinstance(item, State):
                self.stale.set()
            elif not item.complete:
                self._kept.add("", "Some of the logs are lost.")
            self._wake()

    def know(self, known: Document, series: Sequence[Document]) -> None:
        """Put what was polled; the server is there."""
        with self._changed:
            self.known, self.series = known, series
            self.away, self.trouble = None, ""
            self._wake()

    def lose(self, when: datetime, trouble: str) -> None:
        """Note that the server does not answer; ``when`` of the first time counts."""
        with self._changed:
            self.away, self.trouble = self.away or when, trouble
            self._wake()

    def end(self, error: Exception | None = None) -> None:
        """Note that nothing more will come."""
        with self._changed:
            self.error = error
            self.over.set()
            self._wake()

    def wait(self, seconds: float) -> bool:
        """Return once something is new, at the latest after so many seconds; True when it is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._news or self.over.is_set(), seconds)
            self._news = False
            return self.over.is_set()

    def shown(self, *, whole: bool) -> Shown:
        """Return the lines as they are now: all that are kept, or the last few with the bars."""
        with self._changed:
            if whole:
                return self._kept.shown()
            bars = sorted(self._bars.items())
            return Shown(self._kept.newest(LAST_LINES), bars=bars, total=self._kept.total)

    def _wake(self) -> None:
        self._news = True
        self._changed.notify_all()
