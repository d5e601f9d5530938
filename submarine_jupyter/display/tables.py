"""Draw small tables as text and as HTML; every cell is plain text and stays so."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

LONGEST_CELL = 120
# Why something does not run is a sentence with what to do at its end.
LONGEST_SENTENCE = 400


class Table:
    """Rows under headers; ``caption`` stands above, cells are cut to ``longest`` characters."""

    def __init__(
        self,
        headers: Sequence[str],
        rows: Sequence[Sequence[object]],
        caption: str = "",
        *,
        longest: int = LONGEST_CELL,
    ) -> None:
        self.headers = tuple(headers)
        self.rows = [tuple(_cell(value, longest) for value in row) for row in rows]
        self.caption = caption

    def text(self) -> str:
        """Return it with columns of spaces."""
        shown = [self.headers, *self.rows] if any(self.headers) else self.rows
        widths = [max(len(row[i]) for row in shown) for i in range(len(self.headers))] if shown else []
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in shown]
        return "\n".join([self.caption, *lines] if self.caption else lines)

    def html(self) -> str:
        """Return it as an HTML table without styles or scripts of its own."""
        caption = f"<caption>{escape(self.caption)}</caption>" if self.caption else ""
        head = "".join(f"<th>{escape(name)}</th>" for name in self.headers)
        body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in self.rows)
        head = f"<thead><tr>{head}</tr></thead>" if any(self.headers) else ""
        return f"<table>{caption}{head}<tbody>{body}</tbody></table>"


def bundle(tables: Sequence[Table], empty: str = "") -> dict[str, Any]:
    """Return tables as a MIME bundle for a notebook; ``empty`` stands for those that have no rows."""
    shown = [table for table in tables if table.rows]
    if not shown:
        return {"text/plain": empty, "text/html": f"<p>{escape(empty)}</p>"}
    return {
        "text/plain": "\n\n".join(table.text() for table in shown),
        "text/html": "\n".join(table.html() for table in shown),
    }


def _cell(value: object, longest: int) -> str:
    text = "" if value is None else str(value)
    # A tab or a newline within a cell would break the columns; the bell would ring.
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= longest else text[: longest - 1] + "…"
