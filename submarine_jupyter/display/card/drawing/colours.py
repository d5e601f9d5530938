"""Lines with the colours they have, as HTML: those of ECMA-48 become mid-tones, all else is dropped."""

from __future__ import annotations

import re
from html import escape

from submarine_jupyter.display.card.drawing.icons import AMBER, BLUE, GREEN, GREY, RED
from submarine_jupyter.display.card.drawing.values import LONGEST_LINE, cut, printable, width

_SGR = re.compile(r"\x1b\[([0-9;]*)m")
_TEAL, _VIOLET = "#12a07c", "#9270d8"
_COLOURS = {1: RED, 2: GREEN, 3: AMBER, 4: BLUE, 5: _VIOLET, 6: _TEAL, 7: GREY}


def coloured(line: str, longest: int = LONGEST_LINE) -> str:
    """Return a line as HTML, with its colours and what is bold in it, cut to ``longest`` columns."""
    if "\x1b" not in line and "\x9b" not in line:
        return escape(cut(printable(line), longest))
    made, colour, is_bold, left = "", "", False, longest
    for at, piece in enumerate(_SGR.split(line[: longest * 16])):
        if at % 2:
            colour, is_bold = _after(piece, colour, is_bold)
            continue
        text = printable(piece)
        shown = cut(text, left) if left > 0 else ""
        left -= width(text)
        made += _span(shown, colour, is_bold)
    return made


def _after(codes: str, colour: str, is_bold: bool) -> tuple[str, bool]:
    """Return colour and weight behind a sequence of codes; of 256 and of 16 million colours none is taken."""
    numbers = [int(code or 0) for code in codes.split(";")]
    at = 0
    while at < len(numbers):
        found = numbers[at]
        if found in (38, 48):
            at += 3 if numbers[at + 1 : at + 2] == [5] else 5
            continue
        if found == 0:
            colour, is_bold = "", False
        elif found in (1, 22):
            is_bold = found == 1
        elif found == 39:
            colour = ""
        elif 30 <= found <= 37 or 90 <= found <= 97:
            colour = _COLOURS.get(found % 10, "")
        at += 1
    return colour, is_bold


def _span(text: str, colour: str, is_bold: bool) -> str:
    if not text:
        return ""
    style = ";".join(filter(None, [f"color:{colour}" if colour else "", "font-weight:600" if is_bold else ""]))
    return f'<span style="{style}">{escape(text)}</span>' if style else escape(text)
