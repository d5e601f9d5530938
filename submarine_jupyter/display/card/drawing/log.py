"""The lines of replicas in a card: those that scroll, a gap that says how many are left out, and bars that stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from submarine_jupyter.display.card.drawing.blocks import LABEL, MONO
from submarine_jupyter.display.card.drawing.colours import coloured
from submarine_jupyter.display.card.drawing.icons import LINE, TINT
from submarine_jupyter.display.card.drawing.values import LONGEST_LINE, LONGEST_NAME, cut, left, printable, width
from submarine_jupyter.display.card.drawing.words import MUTED, NOTHING, Words

Line = tuple[str, str]
# How high the box of a whole log is before it scrolls.
TALLEST = "max-height:420px"


@dataclass(frozen=True)
class Log:
    """Lines (replica, text) below a title, ``gap`` between them and ``tail``, and ``bars``, the newest of each replica.

    With ``rows`` the first part is always so many lines high, so that a card that is written again does not jump.
    """

    title: Words
    lines: Sequence[Line]
    bars: Sequence[Line] = ()
    gap: Words = NOTHING
    tail: Sequence[Line] = ()
    rows: int = 0

    def html(self) -> str:
        names = self._column()
        missing = [""] * max(0, self.rows - len(self.lines))
        drawn = f'<pre style="{MONO}">{_pre([*(_row(line, names) for line in self.lines), *missing])}</pre>'
        if self.gap:
            style = f"margin:4px -10px;padding:2px 10px;background:{TINT};text-align:center"
            drawn += f'<div style="{style}">{self.gap.html}</div>'
            drawn += f'<pre style="{MONO}">{_pre([_row(line, names) for line in self.tail])}</pre>'
        if self.bars:
            style = f"{MONO};margin-top:4px;padding-top:4px;border-top:1px solid {LINE}"
            drawn += f'<pre style="{style}">{_pre([_row(line, names) for line in self.bars])}</pre>'
        title = f'<div style="{LABEL};margin-top:10px">{self.title.html}</div>' if self.title else ""
        box = f"margin-top:4px;padding:6px 10px;background:{TINT};border-radius:3px"
        tall = f";{TALLEST};overflow:auto" if len(self.lines) + len(self.tail) > 20 else ""
        return f'{title}<div style="{box}{tall}">{drawn}</div>'

    def text(self, columns: int) -> list[str]:
        names = self._column()

        def shown(lines: Sequence[Line]) -> list[str]:
            return [cut(f"  {left(_name(name), names)} │ {printable(text)}".rstrip(), columns) for name, text in lines]

        gap = [cut(f"  {'':{names}} ┆ {self.gap.text}", columns)] if self.gap else []
        return [*shown(self.lines), *gap, *shown(self.tail), *shown(self.bars)]

    def _column(self) -> int:
        every = [name for part in (self.lines, self.tail, self.bars) for name, _ in part]
        return max((width(_name(name)) for name in every), default=0)


def _name(replica: str) -> str:
    return cut(printable(replica), LONGEST_NAME)


def _row(line: Line, names: int) -> str:
    replica, text = line
    return f'<span style="{MUTED}">{escape(left(_name(replica), names))}</span> {coloured(text, LONGEST_LINE)}'


def _pre(rows: Sequence[str]) -> str:
    # A line without a letter would have no height.
    return "\n".join(row or " " for row in rows)
