"""Print what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Row:
    """One figure: what, the value with its unit, the goal, and what it was compared with."""

    what: str
    value: str
    goal: str = ""
    peer: str = ""

    def indented(self) -> Row:
        """Return the row as one of several below a heading."""
        return replace(self, what=f"  {self.what}")


def show(title: str, rows: Sequence[Row]) -> str:
    """Return a table as text."""
    cells = [("", "measured", "goal", "peer in this run"), *((r.what, r.value, r.goal, r.peer) for r in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join([f"\n## {title}", "", *lines])


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which ``share`` (0 to 1) of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
