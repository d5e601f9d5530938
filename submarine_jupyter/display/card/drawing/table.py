"""A table of words. Styles are written out cell by cell: the rules of the front ends are stronger than less."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from submarine_jupyter.display.card.drawing.blocks import FIGURES, LABEL
from submarine_jupyter.display.card.drawing.icons import LINE
from submarine_jupyter.display.card.drawing.values import cut, left, right, width
from submarine_jupyter.display.card.drawing.words import MUTED, Words

_PAD = "padding:3px 14px 3px 0"
# A border would be lost in VS Code.
_RULE = f"box-shadow:inset 0 1px {LINE}"
_BEST = "rgba(53,136,221,.13)"


@dataclass(frozen=True)
class Column:
    """A header, and whether the cells below it are numbers, which stand at the right; ``in_text``: also in text."""

    header: Words
    numbers: bool = False
    in_text: bool = True

    @property
    def side(self) -> str:
        """Where its cells stand."""
        return "right" if self.numbers else "left"


@dataclass(frozen=True)
class Table:
    """Rows of words below headers; a note stands below its row, one row may be the best."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Words]]
    notes: Mapping[int, Words]
    best: int | None = None

    def html(self) -> str:
        head = "".join(
            f'<th style="{_PAD};text-align:{column.side}"><div style="{LABEL};text-align:{column.side};'
            f'white-space:nowrap">{column.header.html or "&nbsp;"}</div></th> '
            for column in self.columns
        )
        rows = "".join(self._row(at) for at in range(len(self.rows)))
        table = "margin:0;border-collapse:collapse;width:100%;font-size:1em;table-layout:auto"
        plain = "background:transparent"
        return (
            '<div style="overflow:auto;margin-top:8px">'
            f'<table style="{table};{FIGURES}"><thead style="{plain};border:0">'
            f'<tr style="{plain}">{head}</tr></thead><tbody>{rows}</tbody></table></div>'
        )

    def _row(self, at: int) -> str:
        cells = "".join(
            f'<td style="{_PAD};text-align:{column.side};white-space:nowrap;{_RULE}">{cell.html}</td> '
            for column, cell in zip(self.columns, self.rows[at], strict=True)
        )
        made = f'\n<tr style="background:{_BEST if at == self.best else "transparent"}">{cells}</tr>'
        if at in self.notes:
            style = f"padding:0 0 5px;text-align:left;{MUTED}"
            made += (
                f'\n<tr style="background:transparent"><td style="padding:0"></td> '
                f'<td colspan="{len(self.columns) - 1}" style="{style}">{self.notes[at].html}</td></tr>'
            )
        return made

    def text(self, columns: int) -> list[str]:
        """Return as many of the columns as fit."""
        wide = [
            max(width(column.header.text), *(width(row[at].text) for row in self.rows), 0)
            for at, column in enumerate(self.columns)
        ]
        chosen: list[int] = []
        room = columns - 2
        for at, column in enumerate(self.columns):
            if column.in_text and wide[at] and room >= wide[at]:
                chosen.append(at)
                room -= wide[at] + 2
        lines = [self._line([column.header.text.upper() for column in self.columns], chosen, wide)]
        for number, row in enumerate(self.rows):
            lines.append(self._line([cell.text for cell in row], chosen, wide))
            if number in self.notes:
                indent = wide[chosen[0]] + 4 if chosen else 4
                lines.append(" " * indent + cut(self.notes[number].text, columns - indent))
        return lines

    def _line(self, cells: Sequence[str], chosen: Sequence[int], wide: Sequence[int]) -> str:
        place = (right if self.columns[at].numbers else left for at in chosen)
        shown = "  ".join(put(cells[at], wide[at]) for put, at in zip(place, chosen, strict=True))
        return f"  {shown}".rstrip()
