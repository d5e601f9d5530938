"""Rows that are written over: what nested progress bars leave, which move the cursor up (``ESC [ A``) and write again.

tqdm with several bars, Keras, Lightning and rich print a few rows, go up, and print them once more; as lines of a log
that would be one line for each time. Here such rows are put together again. Only as many as ``ROWS`` can be written
over; what has left that window stays. Where there is no row above, as at the beginning of a page, one is made.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from submarine_jupyter_server.logs.lines.view import shown

ROWS = 100
ESCAPE = b"\x1b"
_UP = re.compile(rb"\x1b\[([0-9]{0,3})[AF]")


def moves_up(data: bytes) -> bool:
    """Whether something in ``data`` moves the cursor up."""
    return ESCAPE in data and _UP.search(data) is not None


@dataclass(slots=True)
class ScreenRow:
    """A row as raw bytes; the line (number) in which it began, and the one that wrote it last."""

    text: bytes
    begun: int
    written: int
    made: bool = False
    """Whether it was made because the cursor went up to where nothing was known."""

    @property
    def kept(self) -> bool:
        """Whether it is shown: one that was blanked, or never written, is not."""
        return bool(self.text.strip()) or not (self.text or self.made)

    @property
    def shown(self) -> str:
        """The row as a person sees it."""
        return shown(self.text)


class Screen:
    """Takes raw lines in order and keeps the rows that they make."""

    def __init__(self) -> None:
        self.rows: list[ScreenRow] = [ScreenRow(b"", 0, 0)]
        self.settled: list[ScreenRow] = []
        self._at = 0
        self._top: int | None = None
        self._line = 0

    @property
    def live(self) -> int:
        """The first of the rows that may still be written over, by how it went until now."""
        return len(self.rows) if self._top is None else self._top

    def line(self, line: bytes, *, ended: bool = True) -> None:
        """Take a line without its newline; ``ended`` when a newline follows."""
        begin = 0
        for move in _UP.finditer(line):
            self._write(line[begin : move.start()])
            self._up(int(move[1] or 1))
            begin = move.end()
        self._write(line[begin:])
        if ended:
            self._line += 1
            self._down()

    def _write(self, text: bytes) -> None:
        body = text.rstrip(b"\r")
        if body:
            row = self.rows[self._at]
            after = body.rfind(b"\r") + 1
            # What was there is written over from its beginning; a longer rest of it would be blanked by who writes.
            row.text = body[after:] if after or not row.text or self._top is not None else row.text + body
            row.written = self._line

    def _up(self, count: int) -> None:
        missing = min(count - self._at, ROWS - len(self.rows))
        for _ in range(missing):
            self.rows.insert(0, ScreenRow(b"", self._line, self._line, made=True))
            self._at += 1
        self._at = max(self._at - count, 0)
        self._top = self._at if self._top is None else min(self._top, self._at)

    def _down(self) -> None:
        self._at += 1
        if self._at == len(self.rows):
            self.rows.append(ScreenRow(b"", self._line, self._line))
            self._top = None
        if len(self.rows) > ROWS:
            self.settled.append(self.rows.pop(0))
            self._at -= 1
            self._top = self._top if self._top is None else max(self._top - 1, 0)


def folded_lines(data: bytes, offset: int) -> list[tuple[str, int]]:
    """Return the rows that the bytes from ``offset`` leave, each with the offset of the line in which it began."""
    screen, starts = taken(data, offset)
    rows = [*screen.settled, *screen.rows]
    if data.endswith(b"\n") and rows[-1].text == b"":
        rows.pop()
    return [(row.shown, starts[row.begun]) for row in rows if row.kept]


def taken(data: bytes, offset: int) -> tuple[Screen, list[int]]:
    """Return a screen that has taken all lines of ``data``, and where each of them begins."""
    screen = Screen()
    *whole, rest = data.split(b"\n")
    starts = [offset]
    for line in whole:
        screen.line(line)
        starts.append(starts[-1] + len(line) + 1)
    screen.line(rest, ended=False)
    return screen, starts
