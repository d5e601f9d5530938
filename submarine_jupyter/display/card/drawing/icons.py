"""The states of an experiment as a word, a colour, a character and a small picture.

The colours are mid-tones: they reach a contrast of 3:1 on white and on dark (WCAG 2.2, 1.4.11), so one card is good for
both. They are for pictures and rules; text has the colour of the page.
"""

from __future__ import annotations

from typing import NamedTuple

BLUE, GREEN, RED, AMBER, GREY = "#3588dd", "#359c55", "#e5484d", "#c27c0e", "#868686"
# Lines of several experiments in one chart: colour, dashes, and the character that stands for them in text.
SERIES = ((BLUE, "", "━"), ("#d9660f", "7 3", "╍"), ("#12a07c", "2 3", "┅"), ("#c26aa0", "9 3 2 3", "┉"),
          ("#9270d8", "1 4", "┈"), (GREY, "4 4", "╌"))  # fmt: skip
LINE, TINT, TRACK = "rgba(128,128,128,.32)", "rgba(128,128,128,.1)", "rgba(128,128,128,.25)"


class Drawn(NamedTuple):
    """How a state is drawn: its word, colour, character of one column, and picture in a box of 16 x 16."""

    word: str
    colour: str
    glyph: str
    drawing: str


_CLOCK = "<circle cx='8' cy='8' r='6'/><path d='M8 4.6V8l2.4 1.6'/>"
_SQUARE = "<rect x='3.5' y='3.5' width='9' height='9' rx='1.5'{fill}/>"
_TILE = "<rect x='{x}' y='{y}' width='4.6' height='4.6' rx='1'/>"
_TILES = "".join(_TILE.format(x=x, y=y) for x in (2.5, 8.9) for y in (2.5, 8.9))
STATES = {
    "Accepted": Drawn("Accepted", GREY, "◌", "<circle cx='8' cy='8' r='6' stroke-dasharray='2.2 2.5'/>"),
    "Queued": Drawn("Queued", AMBER, "◷", _CLOCK),
    "Waiting": Drawn("Waiting", AMBER, "◷", _CLOCK),
    "Starting": Drawn("Starting", BLUE, "▷", "<path d='M4.5 3v10l8-5z'/>"),
    "Running": Drawn("Running", BLUE, "▶", "<path d='M4.5 3v10l8-5z' fill='{c}'/>"),
    "Succeeded": Drawn("Succeeded", GREEN, "✓", "<path d='M2.8 8.6l3.4 3.6 7-8'/>"),
    "Failed": Drawn("Failed", RED, "✗", "<path d='M3.5 3.5l9 9M12.5 3.5l-9 9'/>"),
    "Stopping": Drawn("Stopping", GREY, "□", _SQUARE.replace("{fill}", "")),
    "Stopped": Drawn("Stopped", GREY, "■", _SQUARE.replace("{fill}", " fill='{c}'")),
    "Deleted": Drawn("Deleted", GREY, "■", _SQUARE.replace("{fill}", "")),
    "away": Drawn(
        "Not reachable",
        AMBER,
        "?",
        "<path d='M5 12.2h6.3a2.5 2.5 0 0 0 .4-5A4 4 0 0 0 4.3 7.7a2.3 2.3 0 0 0 .7 4.5zM2.5 2.5l11 11.5'/>",
    ),
    "group": Drawn("", BLUE, "▦", _TILES),
    "compare": Drawn("", BLUE, "≷", "<path d='M2 13C6 13 5 4 14 4M2 9c5 0 6 4 12 3'/>"),
    "list": Drawn("", GREY, "≡", "<path d='M5.5 4h8M5.5 8h8M5.5 12h8M2.6 4h.1M2.6 8h.1M2.6 12h.1'/>"),
    "target": Drawn(
        "",
        BLUE,
        "▤",
        "<rect x='2.5' y='2.5' width='11' height='4.6' rx='1'/><rect x='2.5' y='8.9' width='11' height='4.6' rx='1'/>"
        "<path d='M5 4.8h.1M5 11.2h.1'/>",
    ),
    "function": Drawn("", BLUE, "ƒ", "<path d='M11.5 3c-2.2-.8-3 .6-3.3 2.5L7 11c-.4 2-1.2 2.8-3 2.2M4.8 7h5.4'/>"),
    "help": Drawn(
        "",
        BLUE,
        "?",
        "<circle cx='8' cy='8' r='6'/><path d='M6.3 6.3C6.6 4.4 9.6 4.6 9.5 6.4 9.4 7.6 8 7.7 8 9M8 11.4v.1'/>",
    ),
    "best": Drawn(
        "",
        AMBER,
        "★",
        "<path d='M8 2l1.8 3.8 4.2.5-3.1 2.8.8 4.1L8 11.2l-3.7 2 .8-4.1L2 6.3l4.2-.5z' fill='{c}'/>",
    ),
}
_PEN = "fill='none' stroke='{c}' stroke-width='{w}' stroke-linecap='round' stroke-linejoin='round'"
_IMAGE = "width:{size}px;height:{size}px;vertical-align:-3px;max-width:none;margin:0;display:inline"


def drawn_as(state: str) -> Drawn:
    """Return how a state is drawn; one that nobody knows like what was accepted, under its own word."""
    return STATES.get(state) or STATES["Accepted"]._replace(word=state)


def icon(state: str, size: int = 16) -> str:
    """Return the picture of a state, with its character for where styles are taken away."""
    drawn = drawn_as(state)
    pen = _PEN.format(c=drawn.colour, w=1.8 if state in ("Succeeded", "Failed") else 1.4)
    svg = (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{size}' height='{size}' viewBox='0 0 16 16'>"
        f"<g {pen}>{drawn.drawing.format(c=drawn.colour)}</g></svg>"
    )
    return f'<img style="{_IMAGE.format(size=size)}" alt="" src="{data_uri(svg)}">{twin(drawn.glyph)}'


def data_uri(svg: str) -> str:
    """Return a picture as an address that may stand in a double-quoted attribute (RFC 2397)."""
    for plain, quoted in (("%", "%25"), ("#", "%23"), ("<", "%3C"), (">", "%3E"), ('"', "'")):
        svg = svg.replace(plain, quoted)
    return f"data:image/svg+xml,{svg}"


def twin(text: str) -> str:
    """Return characters that appear only where inline styles are taken away, as on GitHub."""
    return f'<span style="display:none">{text}</span>' if text else ""
