"""Which lines of an experiment a cell keeps: the first and the last, within a budget of lines and of bytes."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from submarine_jupyter.display.card.drawing.blocks import COLUMNS
from submarine_jupyter.display.card.drawing.values import LONGEST_LINE
from submarine_jupyter.display.card.experiment import Shown

Line = tuple[str, str]
# What a line costs beside its text: the name of its replica, once as HTML and once as text.
_AROUND = 80
# What an escaped character and a colour are longer than before.
_LONGER = (("&", 4), ("<", 3), (">", 3), ('"', 5), ("'", 5), ("\t", 7))
_SPAN = 48


@dataclass(frozen=True)
class Budget:
    """At most so many lines, and bytes as they stand in the notebook, of one output."""

    lines: int = 1000
    size: int = 256 * 1024


class Kept:
    """The first half of the budget and the newest lines that fit into the other half; the rest is counted.

    With ``tail`` only that many of the newest lines of each replica are kept.
    """

    def __init__(self, budget: Budget, tail: int | None = None) -> None:
        self._half = Budget(max(1, budget.lines // 2), budget.size // 2)
        self._head: list[Line] = []
        self._head_size = 0
        self._newest: deque[tuple[Line, int]] = deque()
        self._newest_size = 0
        self._tail = tail
        self._of: dict[str, deque[str]] = {}
        self._is_full = False
        self.total = 0
        self._left_out = self._left_bytes = 0

    def add(self, replica: str, text: str) -> None:
        """Keep a line, or count it among those left out."""
        self.total += 1
        if self._tail is not None:
            self._of.setdefault(replica, deque(maxlen=self._tail)).append(text)
            return
        line, size = (replica, text), _cost(text)
        if not self._is_full:
            if len(self._head) < self._half.lines and self._head_size + size <= self._half.size:
                self._head.append(line)
                self._head_size += size
                return
            self._is_full = True
        self._newest.append((line, size))
        self._newest_size += size
        while len(self._newest) > self._half.lines or self._newest_size > self._half.size:
            (_, gone), gone_size = self._newest.popleft()
            self._newest_size -= gone_size
            self._left_out += 1
            self._left_bytes += len(gone.encode("utf-8", "replace")) + 1

    def newest(self, count: int) -> list[Line]:
        """Return the last few lines."""
        if self._tail is not None:
            return [(replica, text) for replica, kept in sorted(self._of.items()) for text in kept][-count:]
        found = [line for line, _ in list(self._newest)[-count:]]
        return (self._head[-(count - len(found)) :] if len(found) < count else []) + found

    def shown(self) -> Shown:
        """Return all that is kept; nothing is left out where both halves meet."""
        if self._tail is not None:
            lines = [(replica, text) for replica, kept in sorted(self._of.items()) for text in kept]
            return Shown(lines, total=len(lines))
        newest = [line for line, _ in self._newest]
        if not self._left_out:
            return Shown([*self._head, *newest], total=self.total)
        return Shown(self._head, newest, self._left_out, self._left_bytes, total=self.total)


def _cost(text: str) -> int:
    """Return at most how many bytes a line takes in the output, as HTML and as text."""
    shown = text[: LONGEST_LINE * 16] if "\x1b" in text else text[:LONGEST_LINE]
    size = len(shown.encode("utf-8", "replace")) + len(text[:COLUMNS].encode("utf-8", "replace")) + _AROUND
    if shown.isalnum():
        return size
    escaped = sum(shown.count(char) * more for char, more in _LONGER)
    return size + escaped + shown.count("\x1b") * _SPAN
