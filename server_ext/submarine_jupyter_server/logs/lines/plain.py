"""The text that is searched: lines without colours, whose bytes can be found again in the log.

A ``\\r`` ends a line here, so that each state of a progress bar is a line of its own. Colours and moves of the cursor
(``ESC [ ...``) are left out, because they stand in the middle of what a person sees as one word.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cached_property

CONTROL_BYTES = 40
_CONTROL = re.compile(rb"\x1b\[[0-?]{0,32}+[ -/]{0,4}+[@-~]")


class Plain:
    """``raw`` as ``text``."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        text = raw.replace(b"\r", b"\n") if b"\r" in raw else raw
        self.text = _CONTROL.sub(b"", text) if b"\x1b" in text else text

    def raw(self, index: int) -> int:
        """Return where the byte at ``index`` of the text stands in the raw bytes."""
        starts, removed = self._removed
        return index + removed[bisect_right(starts, index)]

    def index(self, raw: int) -> int:
        """Return where the text goes on at the place ``raw`` of the raw bytes."""
        last = self._raw.rfind(b"\x1b", max(raw - CONTROL_BYTES, 0), raw)
        if last >= 0 and (control := _CONTROL.match(self._raw, last)) is not None and control.end() > raw:
            raw = last
        return len(_CONTROL.sub(b"", self._raw[:raw]))

    @cached_property
    def _removed(self) -> tuple[list[int], list[int]]:
        """Return before which bytes of the text something was left out, and how much from the beginning on."""
        starts: list[int] = []
        removed = [0]
        if len(self.text) < len(self._raw):
            for match in _CONTROL.finditer(self._raw):
                starts.append(match.start() - removed[-1])
                removed.append(removed[-1] + match.end() - match.start())
        return starts, removed
