"""Show in a cell how an experiment goes, as it goes."""

from __future__ import annotations

import re
import sys
import time
from collections import deque
from collections.abc import Iterable

from submarine_jupyter.client.following import End, Gap, Item, Lines, Partial, State
from submarine_jupyter.spec.vocabulary import FINAL

# Foregrounds that can be read on light and dark alike (ECMA-48 SGR); the names only, never the lines.
_COLOURS = (36, 33, 35, 32, 34, 31)
_RESET = "\x1b[0m"
_SEQUENCE = re.compile(r"\x1b\[[0-9;]*m")
# What moves within a line is kept in the notebook each time it moves.
BAR_S = 0.25
BAR_WIDTH = 120


class CellStream:
    """Writes lines with the name of their replica before them, and changes of state with their reasons.

    Unfinished lines (progress bars) move in place below: one line for all replicas. With ``tail`` only the last lines
    of each replica are shown, once they have ended.
    """

    def __init__(self, *, colour: bool, tail: int | None = None) -> None:
        self._colour = colour
        self._tail = tail
        self._kept: dict[str, deque[str]] = {}
        self._names: dict[str, str] = {}
        self._said = ""
        self._bars: dict[str, str] = {}
        self._bar = ""
        self._moved = 0.0

    def show(self, items: Iterable[Item]) -> End | None:
        """Write what comes; return the end, None if there was none."""
        try:
            for item in items:
                if isinstance(item, End):
                    self._rest(item)
                    return item
                self._one(item)
        finally:
            self._clear()
        return None

    def _one(self, item: Lines | Partial | State | Gap) -> None:
        if isinstance(item, Partial):
            self._move(item)
        elif isinstance(item, Lines):
            self._lines(item)
        elif isinstance(item, State):
            self._state(item)
        else:
            self._write(f"{self._name(item.replica)}… {abs(item.stop - item.start)} bytes of its log are lost …\n")

    def _lines(self, item: Lines) -> None:
        self._bars.pop(item.replica, None)
        if self._tail is None:
            name = self._name(item.replica)
            # One write for all: the front end gets one message, not one a line.
            self._write("".join(f"{name}{line}\n" for line in item.lines))
        else:
            kept = self._kept.setdefault(item.replica, deque(maxlen=self._tail))
            kept.extend(item.lines)

    def _move(self, item: Partial) -> None:
        if not self._colour:
            return  # a file, where nothing moves in place
        self._bars[item.replica] = item.text
        now = time.monotonic()
        if item.text.strip() and now - self._moved >= BAR_S:
            self._moved = now
            self._write("")

    def _state(self, state: State) -> None:
        if state.status in FINAL:
            return  # what ends it is said at the end
        why = state.message or state.reason
        said = f"{state.status}: {why}" if why else state.status
        if said != self._said:
            self._said = said
            self._write(f"{said}\n")

    def _rest(self, end: End) -> None:
        self._bars.clear()
        for replica, lines in sorted(self._kept.items()):
            self._write("".join(f"{self._name(replica)}{line}\n" for line in lines))
        if not end.complete:
            self._write("Some of the logs are lost.\n")

    def _name(self, replica: str) -> str:
        if replica not in self._names:
            colour = _COLOURS[len(self._names) % len(_COLOURS)]
            self._names[replica] = f"\x1b[{colour}m[{replica}]{_RESET} " if self._colour else f"[{replica}] "
        return self._names[replica]

    def _write(self, text: str) -> None:
        """Write whole lines where the bar was, and the bar below them."""
        before, self._bar = self._bar, self._drawn()
        erased = f"\r{' ' * _width(before)}\r" if before and (text or _width(self._bar) < _width(before)) else ""
        bar = f"\r{self._bar}" if self._bar and (text or self._bar != before) else ""
        if erased or text or bar:
            sys.stdout.write(f"{erased}{text}{bar}")
            sys.stdout.flush()

    def _drawn(self) -> str:
        width = BAR_WIDTH // max(1, len(self._bars))
        shown = [f"{self._name(name)}{_cut(text, width)}" for name, text in sorted(self._bars.items()) if text.strip()]
        return "  ".join(shown)

    def _clear(self) -> None:
        self._bars.clear()
        self._write("")


def shows_colours() -> bool:
    """Return whether what is written is shown by a notebook or a terminal."""
    return "ipykernel.iostream" in sys.modules or sys.stdout.isatty()


def _cut(text: str, width: int) -> str:
    """Return the text without its colours, which a cut could leave open, and not longer than ``width``."""
    plain = _SEQUENCE.sub("", text).expandtabs()
    return plain if len(plain) <= width else f"{plain[: width - 1]}…"


def _width(text: str) -> int:
    return len(_SEQUENCE.sub("", text))
