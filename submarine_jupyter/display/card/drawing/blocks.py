"""What a card is made of: each block draws itself as HTML and as plain text of at most so many columns.

The HTML has inline styles only, without variables, so that every front end shows it, with one HTML for light and dark.
Text inherits its colour; second rank is by opacity. Where styles are taken away (GitHub), twins show the pictures as
characters and separators are real ones.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from submarine_jupyter.display.card.drawing.curves import Curve, blocks, picture
from submarine_jupyter.display.card.drawing.icons import BLUE, LINE, TINT, TRACK, drawn_as, icon, twin
from submarine_jupyter.display.card.drawing.values import cut, width
from submarine_jupyter.display.card.drawing.words import MUTED, NOTHING, UNBROKEN, Words

COLUMNS = 100
# Below this the state has a line of its own.
NARROW = 70
LABEL = f"font-size:.82em;font-weight:600;letter-spacing:.04em;text-transform:uppercase;{MUTED}"
FIGURES = "font-variant-numeric:tabular-nums"
ROW = "display:flex;flex-wrap:wrap;gap:0 8px;align-items:baseline"
MONO = "margin:0;padding:0;background:transparent;font-size:.92em;line-height:1.5;white-space:pre;overflow:auto"


class Block(Protocol):
    """A part of a card."""

    def html(self) -> str:
        """Return it with inline styles."""

    def text(self, columns: int) -> list[str]:
        """Return its lines, none longer than ``columns``."""


@dataclass(frozen=True)
class Head:
    """Line 1: icon, name, number; state and time. Line 2: what it is; when this was written, while it may change."""

    state: str
    name: Words
    ident: Words = NOTHING
    state_word: Words = NOTHING
    aside: Words = NOTHING
    below: Words = NOTHING
    as_of: Words = NOTHING

    def html(self) -> str:
        state = f"<b>{self.state_word.html}</b>" if self.state_word else ""
        both = " · " if state and self.aside else ""
        first = (
            f'<div style="{ROW}"><span style="flex:0 0 16px">{icon(self.state)}</span> <span style="flex:1 1 auto">'
            f'<b style="font-size:1.1em">{self.name.html}</b> '
            f'<span style="{MUTED}">&nbsp;{self.ident.html}</span></span> '
            f"<span>{twin('· ') if state or self.aside else ''}{state}{both}{self.aside.html}</span></div>"
        )
        if not (self.below or self.as_of):
            return first
        between = twin("· ") if self.below and self.as_of else ""
        return (
            f'{first}<div style="{ROW};{MUTED};font-size:.93em;margin-left:24px"><span style="flex:1 1 auto">'
            f'{self.below.html}</span> <span style="{FIGURES}">{between}{self.as_of.html}</span></div>'
        )

    def text(self, columns: int) -> list[str]:
        name = "  ".join(filter(None, [self.name.text, self.ident.text]))
        left = f"{drawn_as(self.state).glyph} {name}"
        right = " · ".join(filter(None, [self.state_word.text, self.aside.text]))
        room = columns - width(left) - width(right)
        fits = right and columns >= NARROW and room >= 2
        first = [f"{left}{' ' * room}{right}"] if fits else [cut(left, columns), *indented(right, columns)]
        below = " · ".join(filter(None, [self.below.text, self.as_of.text]))
        return [*first, *indented(below, columns)]


@dataclass(frozen=True)
class Reason:
    """Why it is so; what to do stands below it. ``state``: whose rule it gets, where that is not the card's own."""

    why: Words
    more: Words = NOTHING
    state: str = ""

    def html(self) -> str:
        edge = f"border-left:3px solid {drawn_as(self.state).colour};" if self.state else "border-radius:3px;"
        more = f'<div style="margin-top:2px">{self.more.html}</div>' if self.more else ""
        return f'<div style="margin-top:8px;padding:6px 10px;{edge}background:{TINT}">{self.why.html}{more}</div>'

    def text(self, columns: int) -> list[str]:
        return [line for part in (self.why, self.more) for line in indented(part.text, columns, "  │ ")]


@dataclass(frozen=True)
class Progress:
    """How far it is: words, then a bar."""

    percent: float | None
    label: Words
    aside: Words = NOTHING
    colour: str = BLUE

    def html(self) -> str:
        share = f"<b>{self.percent:g} %</b>" if self.percent is not None else ""
        left = " · ".join(filter(None, [share, self.label.html]))
        between = twin("· ") if self.aside else ""
        words = (
            f'<div style="display:flex;flex-wrap:wrap;gap:0 12px"><span style="flex:1 1 auto">{left}</span> '
            f'<span style="{MUTED}">{between}{self.aside.html}</span></div>'
        )
        if self.percent is None:
            return f'<div style="margin-top:10px">{words}</div>'
        drawn = f"{twin(text_bar(self.percent, 24))}{bar([(self.percent, self.colour)])}"
        return f'<div style="margin-top:10px">{words}<div style="margin-top:3px">{drawn}</div></div>'

    def text(self, columns: int) -> list[str]:
        share = "" if self.percent is None else f"{self.percent:g} %"
        said = " · ".join(filter(None, [share, self.label.text, self.aside.text]))
        if self.percent is None:
            return indented(said, columns)
        long = min(40, max(10, columns - width(said) - 4))
        return indented(f"{text_bar(self.percent, long)}  {said}", columns)


@dataclass(frozen=True)
class Tile:
    """A metric: its name, its last value, its curve, and a note."""

    name: Words
    value: str
    values: Sequence[float]
    note: Words
    colour: str

    def html(self) -> str:
        drawn = picture([Curve(self.values, self.colour)], 30)
        return (
            f'<div style="flex:1 1 150px;min-width:150px;max-width:400px"><div><span style="{LABEL}">{self.name.html}'
            f'</span> &nbsp;<b style="font-size:1.1em;{FIGURES}">{self.value}</b> {twin(blocks(self.values))}</div>'
            f'<span style="display:block;max-width:280px">{drawn}</span> '
            f'<span style="display:block;{MUTED};font-size:.87em;{FIGURES}">{self.note.html}</span></div>'
        )


@dataclass(frozen=True)
class Tiles:
    """Metrics beside each other, as many in a row as there is room for."""

    tiles: Sequence[Tile]

    def html(self) -> str:
        drawn = "".join(tile.html() for tile in self.tiles)
        return f'<div style="display:flex;flex-wrap:wrap;gap:8px 26px;margin-top:10px">{drawn}</div>' if drawn else ""

    def text(self, columns: int) -> list[str]:
        name = max((width(tile.name.text) for tile in self.tiles), default=0)
        value = max((len(tile.value) for tile in self.tiles), default=0)
        lines = (
            f"{tile.name.text + ' ' * (name - width(tile.name.text))}  {tile.value:>{value}}  "
            f"{blocks(tile.values):12}  {tile.note.text}"
            for tile in self.tiles
        )
        return [line for one in lines for line in indented(one, columns, fill=False)]


@dataclass(frozen=True)
class Foot:
    """At most two commands that are useful now."""

    words: Words

    def html(self) -> str:
        return f'<div style="margin-top:9px;font-size:.87em"><span style="{MUTED}">{self.words.html}</span></div>'

    def text(self, columns: int) -> list[str]:
        return indented(self.words.text, columns)


@dataclass(frozen=True)
class Raw:
    """HTML of this package with the lines that stand for it in text."""

    markup: str
    lines: Sequence[str] = ()

    def html(self) -> str:
        return self.markup

    def text(self, columns: int) -> list[str]:
        return [line for one in self.lines for line in indented(one, columns, fill=False)]


@dataclass(frozen=True)
class Card:
    """Blocks below each other, with a rule in the colour of the state; ``wide`` for tables."""

    state: str
    blocks: Sequence[Block]
    wide: bool = False

    def html(self) -> str:
        """Return the card as one element."""
        style = (
            f"box-sizing:border-box;max-width:{1200 if self.wide else 860}px;border:1px solid {LINE};"
            f"border-left:3px solid {drawn_as(self.state).colour};border-radius:5px;padding:10px 14px 10px 13px;"
            "font-size:.93em;line-height:1.5;text-align:left"
        )
        inner = "\n".join(filter(None, (block.html() for block in self.blocks)))
        return f'<div style="{style}">{inner}</div>'

    def text(self, columns: int = COLUMNS) -> str:
        """Return the card as lines of at most ``columns``, without spaces at their ends."""
        lines = (line.replace(UNBROKEN, " ").rstrip() for block in self.blocks for line in block.text(columns))
        return "\n".join(line for line in lines if line)


def bar(parts: Sequence[tuple[float, str]], height: int = 6) -> str:
    """Return shares of a whole (percent, colour) as a bar."""
    inner = "".join(
        f'<div style="width:{percent:g}%;height:{height}px;background:{colour}"></div>' for percent, colour in parts
    )
    style = f"display:flex;height:{height}px;background:{TRACK};border-radius:3px;overflow:hidden"
    return f'<div style="{style}">{inner}</div>'


def text_bar(percent: float, columns: int = 30) -> str:
    """Return a bar of characters."""
    full = round(max(0.0, min(100.0, percent)) / 100 * columns)
    return "━" * full + "╌" * (columns - full)


def indented(text: str, columns: int, margin: str = "  ", *, fill: bool = True) -> list[str]:
    """Return a text as lines behind a margin: filled anew, or cut where ``fill`` is false."""
    if not text.strip():
        return []
    room = columns - len(margin)
    if width(text) <= room:
        return [margin + text]
    if fill and width(text) == len(text):
        return [margin + line for line in textwrap.wrap(text, room)]
    return [margin + cut(text, room)]
