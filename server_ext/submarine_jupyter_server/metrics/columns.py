"""Metrics in tables, as fastai, scikit-learn and YOLO print them: a head with names, then rows of numbers."""

from __future__ import annotations

import re

from submarine_jupyter_server.metrics.names import is_metric, plain
from submarine_jupyter_server.metrics.templates import NUMBER

_HEAD = re.compile(r"\s{0,20}\|?\s{0,20}(?:epoch|iter|iteration|step)(?:\s{2,}|\s*\||\t)", re.IGNORECASE)
_BETWEEN = re.compile(r"\s{2,}|\s*\|\s*|\t")
_FIRST = re.compile(r"([0-9]{1,15})(?:/[0-9]{1,15})?")
_NUMBER = re.compile(NUMBER)
MAX_COLUMNS = 32
# Bars and remarks that may stand between two rows.
MISSES = 8


class Columns:
    """A table that a replica may be printing; reads its rows."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._left = 0

    @property
    def open(self) -> bool:
        """Whether rows may follow."""
        return self._left > 0

    def head(self, line: str) -> bool:
        """Whether this is the head of a table of metrics; its rows are read from now on."""
        if not _HEAD.match(line):
            return False
        names = _cells(line)[:MAX_COLUMNS]
        if any(":" in name or "=" in name for name in names) or not any(is_metric(name, "0.0") for name in names[1:]):
            return False
        self._names, self._left = names, MISSES
        return True

    def row(self, line: str) -> tuple[list[tuple[str, str]], str | None]:
        """Return the metrics and the step of a row, nothing for any other line."""
        cells = _cells(line)
        if not cells or not _FIRST.fullmatch(cells[0]) or len(cells) < len(self._names) - 1:
            self._left -= 1
            return [], None
        self._left = MISSES
        named = zip(self._names[1:], cells[1:], strict=False)
        found = [(plain(name), cell) for name, cell in named if _NUMBER.fullmatch(cell) and is_metric(name, "0.0")]
        return found, cells[0].partition("/")[0]


def _cells(line: str) -> list[str]:
    return [cell for cell in _BETWEEN.split(line.strip().strip("|").strip()) if cell]
