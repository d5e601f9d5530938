"""Show in a cell how an experiment goes, as it goes."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable

from submarine_jupyter.following import FINAL, End, Gap, Item, Lines, State

# Foregrounds that can be read on light and dark alike (ECMA-48 SGR); the names only, never the lines.
_COLOURS = (36, 33, 35, 32, 34, 31)
_RESET = "\x1b[0m"


class CellStream:
    """Writes lines with the name of their replica before them, and changes of state with their reasons.

    With ``tail`` only the last lines of each replica are shown, once they have ended.
    """

    def __init__(self, *, colour: bool, tail: int | None = None) -> None:
        self._colour = colour
        self._tail = tail
        self._kept: dict[str, deque[str]] = {}
        self._names: dict[str, str] = {}
        self._said = ""

    def show(self, items: Iterable[Item]) -> End | None:
        """Write what comes; return the end, None if there was none."""
        for item in items:
            if isinstance(item, Lines):
                self._lines(item)
            elif isinstance(item, State):
                self._state(item)
            elif isinstance(item, Gap):
                self._write(f"{self._name(item.replica)}… {abs(item.stop - item.start)} bytes of its log are lost …\n")
            else:
                self._rest(item)
                return item
        return None

    def _lines(self, item: Lines) -> None:
        if self._tail is None:
            name = self._name(item.replica)
            # One write for all: the front end gets one message, not one a line.
            self._write("".join(f"{name}{line}\n" for line in item.lines))
        else:
            kept = self._kept.setdefault(item.replica, deque(maxlen=self._tail))
            kept.extend(item.lines)

    def _state(self, state: State) -> None:
        if state.status in FINAL:
            return  # what ends it is said at the end
        why = state.message or state.reason
        said = f"{state.status}: {why}" if why else state.status
        if said != self._said:
            self._said = said
            self._write(f"{said}\n")

    def _rest(self, end: End) -> None:
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
        sys.stdout.write(text)
        sys.stdout.flush()


def shows_colours() -> bool:
    """Tell whether what is written is shown by a notebook or a terminal."""
    return "ipykernel.iostream" in sys.modules or sys.stdout.isatty()
