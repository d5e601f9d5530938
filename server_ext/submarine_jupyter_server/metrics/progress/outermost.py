"""Which of the bars that a replica draws counts: the outermost, and since when it stands where it is.

Bars that are drawn below each other move the cursor: a newline leads down, ``ESC [ A`` back up. A bar that the cursor
returns from is an inner one, also where tqdm draws its end in the place of the outer one.
"""

from __future__ import annotations

import copy
import re

from submarine_jupyter_server.metrics.progress.bars import TRACKING, Epoch, Progress, read, read_epoch

EXAMINED_BYTES = 4096
_BAR_BYTES = 1024
_ROWS = 16
_KINDS = 64
_BREAK = re.compile(rb"\r|\n|\x1b\[([0-9]{0,2})A")
# Also one that is cut.
_CONTROL = re.compile(r"\x1b(?:\[[0-?]{0,32}+[ -/]{0,4}+(?:[@-~]|$)|$)|[\x00-\x1f\x7f]")
# Something of this is in every bar, and in the line that begins an epoch.
_HINTS = (b"/", b"%", b"{")

Moved = tuple[Progress, int]
"""What a bar says, and the offset of the byte from which on it says so."""


class Outermost:
    """Reads the lines of one replica in order; ``moved`` is what counts."""

    def __init__(self) -> None:
        self.moved: Moved | None = None
        self._rows: list[Moved | None] = [None]
        self._before: Moved | None = None
        self._inner: set[tuple[str, str, str]] = set()
        self._epoch: Epoch | None = None
        self._epoch_is_over = False

    def feed(self, line: bytes, at: int) -> None:
        """Read a whole line without its end, which begins at offset ``at`` of the log. Others may be left out."""
        self._read(line, at, whole=True)
        self._rows.append(None)
        del self._rows[:-_ROWS]

    def peek(self, tail: bytes, at: int) -> Moved | None:
        """Return what counts where a line that is not done yet is read, too; what is read of it is forgotten."""
        if not tail:
            return self.moved
        ahead = copy.copy(self)
        ahead._rows, ahead._inner = list(self._rows), set(self._inner)
        ahead._read(tail, at, whole=False)
        return ahead.moved

    def _read(self, line: bytes, at: int, *, whole: bool) -> None:
        start = 0
        if len(line) > EXAMINED_BYTES:
            start = line.find(b"\r", len(line) - EXAMINED_BYTES) + 1 or len(line)
        for found in _BREAK.finditer(line, start):
            self._draw(line[start : found.start()], at + start, sure=True)
            start = found.end()
            if found[1] is not None:
                self._up(int(found[1] or 1))
        self._draw(line[start:], at + start, sure=whole)

    def _draw(self, raw: bytes, at: int, *, sure: bool) -> None:
        """Read what is drawn where the cursor is. Not ``sure``: whether the cursor returns from there is not known."""
        if not any(hint in raw for hint in _HINTS):
            return
        text = _CONTROL.sub("", raw[:_BAR_BYTES].decode("utf-8", "replace"))
        if (epoch := read_epoch(text)) is not None:
            self._epoch, self._epoch_is_over = epoch, False
        elif (bar := self._bar(text)) is not None:
            before = self._rows[-1]
            stood = before is not None and before[0].position == bar.position
            self._rows[-1] = drawn = (bar, before[1] if before is not None and stood else at)
            if self._counts(bar, sure=sure):
                self._take(drawn)

    def _bar(self, text: str) -> Progress | None:
        bar = read(text, self._epoch)
        if bar is None or bar.source != "keras":
            return bar
        if self._epoch_is_over and not bar.ends_epoch:
            # A bar without an epoch of its own is that of an evaluation.
            self._epoch = None
            bar = read(text, None)
        self._epoch_is_over = bar is not None and bar.ends_epoch
        return bar

    def _counts(self, bar: Progress, *, sure: bool) -> bool:
        if self.moved is None or bar.source == TRACKING:
            return True
        current = self.moved[0]
        if current.source == TRACKING:
            return False
        return current.kind == bar.kind or current.done or (sure and bar.kind not in self._inner)

    def _take(self, drawn: Moved) -> None:
        if self.moved is None or self.moved[0].kind != drawn[0].kind:
            self._inner.discard(drawn[0].kind)
            self._before = self.moved if self.moved is not None and not self.moved[0].done else None
        if self.moved is None or self.moved[0].position != drawn[0].position:
            self.moved = drawn
        elif self.moved[0].eta_seconds is None:
            self.moved = drawn[0], self.moved[1]

    def _up(self, count: int) -> None:
        """Move the cursor up: what stands below it is an inner bar."""
        below = [row for row in self._rows[max(len(self._rows) - count, 0) :] if row is not None]
        del self._rows[-count:]
        self._rows = self._rows or [None]
        if len(self._inner) < _KINDS:
            self._inner.update(row[0].kind for row in below)
        if any(row is self.moved for row in below):
            # The lines between may have been left out: then what counted before is the outer one.
            outer = (row for row in (self._rows[-1], self._before) if row and row[0].kind not in self._inner)
            self.moved = next(outer, self.moved)
