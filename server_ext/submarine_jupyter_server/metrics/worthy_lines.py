"""Which lines of a block may hold a metric or a progress bar, found without cutting it into lines: most hold none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from submarine_jupyter_server.metrics.names import TRIGGERS

# To look for one word takes as long as to cut a block into all of its words, so that is done once. Digits are left out:
# a number is no word, and most of a log is numbers.
_LETTERS = bytes(code | 32 if chr(code).isalpha() and code < 128 else 32 for code in range(256))
_DIGITS = b"0123456789"
_TRIGGERS = {word.rstrip("0123456789").encode(): word.encode() for word in sorted(TRIGGERS, reverse=True)}
_TRIGGERS |= {b"m" + word: needle for word, needle in _TRIGGERS.items()}  # behind a colour: ESC [ 32 m
_TRIGGERS |= {b"metric": b"submarine-metric {", b"param": b"submarine-param {"}
_WORTHY = frozenset((*_TRIGGERS, b"progress"))
# Tabs are rare: these lines have no word in common.
_TABS = re.compile(rb"(?:\x1b\[[0-9;]*m)?(?:(?:\[[0-9:]{8}\] ?)?\[[0-9]{1,15}\]\t|[0-9]{1,15}:\tlearn: )")
# A line of source code, as a traceback shows it, says nothing of a value.
_QUOTED = re.compile(rb'\s*File "[^"]*", line [0-9]+')

Line = tuple[int, int]
"""Where a line of a block begins and ends."""


def find(block: bytes, needles: Sequence[bytes]) -> tuple[set[Line], set[Line]]:
    """Return the lines that may hold a metric, or hold one of ``needles`` (lower case), and those with a progress bar.

    The bars of Keras are not among the latter: their lines are those of metrics.
    """
    cut = block.translate(_LETTERS, _DIGITS).split()
    words = _WORTHY.intersection(cut)
    lower = block.lower()
    metrics = _lines_with(lower, [*(_TRIGGERS[word] for word in words if word in _TRIGGERS), *needles])
    _add_tabbed(lower, metrics)
    return metrics, _lines_with(lower, list(_bars(block, cut, reported=b"progress" in words)))


def _bars(block: bytes, words: Sequence[bytes], *, reported: bool) -> Iterator[bytes]:
    """Yield what stands in bars, where there may be some: to find one byte takes a hundredth of finding more."""
    if reported:
        yield b"submarine-progress {"
    moves = b"\r" in block  # as every bar of tqdm does
    if moves and b"%" in block and b"|" in block:
        yield b"%|"
    if moves and b"it" in words and b"s" in words:
        yield from (b"it/s", b"s/it")
    if b"\xe2" in block and (moves or b"%" in block):
        yield "━━".encode()


def is_quoted(block: bytes, start: int, most: int) -> bool:
    """Return whether the line before, its last ``most`` bytes, says that the line at ``start`` is source code."""
    before = block[max(block.rfind(b"\n", 0, max(start - 1, 0)) + 1, start - most) : start]
    return _QUOTED.match(before) is not None


def _lines_with(block: bytes, needles: Sequence[bytes]) -> set[Line]:
    """Return the lines that hold one of ``needles``."""
    found: set[Line] = set()
    for needle in needles:
        at = block.find(needle)
        while at >= 0:
            end = line_end(block, at)
            found.add((block.rfind(b"\n", 0, at) + 1, end))
            at = block.find(needle, end)
    return found


def _add_tabbed(block: bytes, found: set[Line]) -> None:
    """Add the lines that begin as boosting prints them."""
    at = block.find(b"\t")
    while at >= 0:
        start, end = block.rfind(b"\n", 0, at) + 1, line_end(block, at)
        # A progress bar may stand before it.
        if _TABS.match(block, max(block.rfind(b"\r", start, at) + 1, start)):
            found.add((start, end))
        at = block.find(b"\t", end)


def line_end(block: bytes, start: int) -> int:
    """Return where the line at ``start`` ends."""
    end = block.find(b"\n", start)
    return len(block) if end < 0 else end
