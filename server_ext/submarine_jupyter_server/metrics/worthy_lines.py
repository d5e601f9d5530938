"""Which lines of a block may hold a metric, found without cutting the block into lines: most of a log holds none."""

from __future__ import annotations

import re
from collections.abc import Sequence

from submarine_jupyter_server.metrics.names import TRIGGERS

# To look for one word takes as long as to cut a block into all of its words, so that is done once. Digits are left out:
# a number is no word, and most of a log is numbers.
_LETTERS = bytes(code | 32 if chr(code).isalpha() and code < 128 else 32 for code in range(256))
_DIGITS = b"0123456789"
_TRIGGERS = {word.rstrip("0123456789").encode(): word.encode() for word in sorted(TRIGGERS, reverse=True)}
_TRIGGERS |= {b"m" + word: needle for word, needle in _TRIGGERS.items()}  # behind a colour: ESC [ 32 m
_TRIGGERS |= {b"metric": b"submarine-metric {", b"param": b"submarine-param {"}
_WORTHY = frozenset(_TRIGGERS)
# Tabs are rare: these lines have no word in common.
_TABS = re.compile(rb"(?:\x1b\[[0-9;]*m)?(?:(?:\[[0-9:]{8}\] ?)?\[[0-9]{1,15}\]\t|[0-9]{1,15}:\tlearn: )")
# A line of source code, as a traceback shows it, says nothing of a value.
_QUOTED = re.compile(rb'\s*File "[^"]*", line [0-9]+')


def find(block: bytes, needles: Sequence[bytes]) -> set[tuple[int, int]]:
    """Return where the lines begin and end that may hold a metric, or hold one of ``needles`` (lower case)."""
    words = _WORTHY.intersection(block.translate(_LETTERS, _DIGITS).split())
    return _lines_with(block.lower(), [*(_TRIGGERS[word] for word in words), *needles])


def is_quoted(block: bytes, start: int, most: int) -> bool:
    """Return whether the line before, its last ``most`` bytes, says that the line at ``start`` is source code."""
    before = block[max(block.rfind(b"\n", 0, max(start - 1, 0)) + 1, start - most) : start]
    return _QUOTED.match(before) is not None


def _lines_with(block: bytes, needles: Sequence[bytes]) -> set[tuple[int, int]]:
    """Return where the lines begin and end that hold one of ``needles``, or begin as boosting prints them."""
    found: set[tuple[int, int]] = set()
    for needle in needles:
        at = block.find(needle)
        while at >= 0:
            end = line_end(block, at)
            found.add((block.rfind(b"\n", 0, at) + 1, end))
            at = block.find(needle, end)
    at = block.find(b"\t")
    while at >= 0:
        start, end = block.rfind(b"\n", 0, at) + 1, line_end(block, at)
        # A progress bar may stand before it.
        if _TABS.match(block, max(block.rfind(b"\r", start, at) + 1, start)):
            found.add((start, end))
        at = block.find(b"\t", end)
    return found


def line_end(block: bytes, start: int) -> int:
    """Return where the line at ``start`` ends."""
    end = block.find(b"\n", start)
    return len(block) if end < 0 else end
