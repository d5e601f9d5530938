"""Find the place in an answer that is behind what the archive has.

A request can ask for what is newer than a whole second, not for an offset. The archive remembers a *mark*: a line whose
stamp is greater than all before it, and its offset. The first line of the answer that is as new as the mark is that
line; as many bytes as the archive has from the mark on are compared and passed over, and the rest is new.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .lines import MORE, Line

# containerd and CRI-O cut long lines into parts of this size; after a rotation an answer may begin with such a part.
_PART = 16 * 1024


class Unaligned(Exception):
    """The answer does not fit to what the archive has: it is of another run, or lines between are lost."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A line that begins at ``offset`` and whose stamp ``at_ns`` is greater than that of every line before it."""

    offset: int
    at_ns: int


@dataclass(frozen=True, slots=True)
class Stock:
    """What the archive has of one run of a container.

    ``size`` bytes follow ``mark``; ``known`` are these bytes, None if they cannot be compared. ``after`` is the
    greatest stamp there was: without a mark, or behind a gap, what is new begins with a later one.
    """

    mark: Mark | None = None
    size: int = 0
    known: bytes | None = None
    after: int = MORE


class Alignment:
    """Passes over the beginning of one answer; ``note`` gets (time, offset) of each line that is passed over.

    ``trusted`` says that the answer is known to be of the same run: what does not fit comes behind a ``gap`` then, but
    for what the archive seems to have already.
    """

    def __init__(self, stock: Stock, note: Callable[[int, int], object], *, trusted: bool = False) -> None:
        self._stock = stock
        self._mark = stock.mark or Mark(0, stock.after + 1)
        self._note = note
        self._trusted = trusted
        self._place = 0
        self._line: list[Line] = []
        self._unfit: list[Line] | None = None
        self._places: list[int] = []
        self.found = stock.mark is None
        self.done = False
        self.gap = False

    def feed(self, lines: list[Line]) -> list[Line]:
        """Return those that are new. Raises Unaligned."""
        for number, (at_ns, text) in enumerate(lines):
            if self._unfit is not None:
                self._unfit += self._later(lines[number:])
                break
            new = self._pass(at_ns, text)
            if self.done:
                return new + lines[number + 1 :]
        return self._overlap(self._unfit) if self._unfit else []

    def _pass(self, at_ns: int, text: bytes) -> list[Line]:
        if self._place == 0 and not self._line:
            if at_ns < self._mark.at_ns:
                return []
            if self._stock.mark is None:
                self.done = True
                return [(at_ns, text)]
            if at_ns > self._mark.at_ns:
                self._misfit([(at_ns, text)], 0)
                return []
            self.found = True
        return self._compare(at_ns, text)

    def _compare(self, at_ns: int, text: bytes) -> list[Line]:
        known, place, left = self._stock.known, self._place, self._stock.size - self._place
        if at_ns != MORE:
            self._line.clear()
        self._line.append((at_ns, text if known is not None else b""))
        if known is not None and known[place : place + len(text)] != text[:left]:
            self._misfit(list(self._line), place - sum(len(piece) for _, piece in self._line[:-1]))
            return []
        if at_ns >= 0 and left:
            self._note(at_ns, self._mark.offset + place)
        self._place += len(text)
        self.done = len(text) >= left
        if left == 0:
            return [(at_ns, text)]
        return [(MORE, text[left:])] if len(text) > left else []

    def _misfit(self, lines: list[Line], begin: int) -> None:
        """Go on by content alone, from where in the archive's bytes it may still fit."""
        if not self._trusted:
            raise Unaligned
        self.found = False
        self._unfit = self._later(lines)
        self._places = _places(self._stock.known or b"", begin)[::-1]

    def _later(self, lines: list[Line]) -> list[Line]:
        """Leave out what comes before the first line that is later than all there was."""
        if self._unfit:
            return lines
        first = next((number for number, (at_ns, _) in enumerate(lines) if at_ns > self._stock.after), len(lines))
        return lines[first:]

    def _overlap(self, lines: list[Line]) -> list[Line]:
        """Pass over the longest end of the archive that the lines begin with."""
        known, text = self._stock.known or b"", b"".join(piece for _, piece in lines)
        while self._places:
            place = self._places[-1]
            count = min(len(text), len(known) - place)
            if known.startswith(text[:count], place):
                if len(text) < len(known) - place:
                    self.found = True
                    return []  # more lines will tell
                return self._behind(lines, self._mark.offset + place, count)
            self._places.pop()
        return self._behind(lines, 0, 0)

    def _behind(self, lines: list[Line], offset: int, count: int) -> list[Line]:
        """Return what comes behind the first ``count`` bytes of the lines, which begin at ``offset``."""
        self.found = self.done = self.gap = True
        for number, (at_ns, text) in enumerate(lines):
            if count < len(text):
                first = (at_ns, text) if count == 0 else (MORE, text[count:])
                return [first, *lines[number + 1 :]]
            if at_ns >= 0:
                self._note(at_ns, offset)
            offset += len(text)
            count -= len(text)
        return []


def _places(known: bytes, begin: int) -> list[int]:
    """Return where lines begin from ``begin`` on, and the parts of the last one if it is incomplete."""
    places = []
    place = begin
    while place < len(known):
        places.append(place)
        place = known.find(b"\n", place) + 1 or len(known)
    if places and not known.endswith(b"\n"):
        places += range(places[-1] + _PART, len(known), _PART)
    return places
