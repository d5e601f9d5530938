"""Curves as small pictures, and the same in block characters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from submarine_jupyter.display.card.drawing.icons import GREY, data_uri, twin

BLOCKS = "▁▂▃▄▅▆▇█"
POINTS = 60
_WIDE, _HIGH = 300, 100


class Curve(NamedTuple):
    """Values in a colour, with dashes, that fill ``far`` (0 to 1) of the width."""

    values: Sequence[float]
    colour: str
    dashes: str = ""
    far: float = 1.0


def finite(values: Sequence[float]) -> list[float]:
    """Return the values that can be drawn."""
    return [value for value in values if math.isfinite(value)]


def thinned(values: Sequence[float], points: int) -> list[float]:
    """Return at most so many of the values, the first and the last among them."""
    if len(values) <= points:
        return list(values)
    return [values[round(at * (len(values) - 1) / (points - 1))] for at in range(points)]


def blocks(values: Sequence[float], width: int = 12, low: float | None = None, high: float | None = None) -> str:
    """Return a curve in at most ``width`` characters; curves of one group share ``low`` and ``high``."""
    shown = thinned(finite(values), width)
    if not shown:
        return ""
    low = min(shown) if low is None else low
    high = max(shown) if high is None else high
    scale = (high - low) or 1.0
    return "".join(BLOCKS[max(0, min(7, round((value - low) / scale * 7)))] for value in shown)


def picture(
    curves: Sequence[Curve],
    height: int,
    *,
    grid: bool = False,
    low: float | None = None,
    high: float | None = None,
    points: int = POINTS,
    stands_for: str = "",
) -> str:
    """Return lines as one picture stretched to its place; ``stands_for`` are characters for where it is not drawn."""
    drawn = [curve._replace(values=finite(curve.values)) for curve in curves]
    drawn = [curve for curve in drawn if curve.values]
    if not drawn:
        return ""
    low = min(min(curve.values) for curve in drawn) if low is None else low
    high = max(max(curve.values) for curve in drawn) if high is None else high
    above, aside = max(4, round(300 / (height - 6))), 8 if height < 50 else 4  # room for the dot, about 3 px
    body = "".join(_line(curve, low, high, points, dot=len(drawn) <= 2) for curve in drawn)
    lines = f"M0 {above}H{_WIDE}M0 {above + 50}H{_WIDE}M0 {above + 100}H{_WIDE}"
    pen = "stroke-width='1' vector-effect='non-scaling-stroke'"
    ruled = f"<path d='{lines}' stroke='{GREY}' stroke-opacity='.35' {pen}/>" if grid else ""
    svg = (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{_WIDE}' height='{height}' "
        f"viewBox='-{aside} 0 {_WIDE + 2 * aside} {_HIGH + 2 * above}' preserveAspectRatio='none'>"
        f"<g fill='none' stroke-linejoin='round'>{ruled}<g transform='translate(0 {above})'>{body}</g></g></svg>"
    )
    style = f"display:block;width:100%;height:{height}px;margin:0"
    return f'<img style="{style}" alt="" src="{data_uri(svg)}">{twin(stands_for)}'


def _line(curve: Curve, low: float, high: float, points: int, *, dot: bool) -> str:
    values = thinned(curve.values, points)
    scale = (high - low) or 1.0
    places = [
        (
            round(curve.far * at / max(1, len(values) - 1) * _WIDE),
            max(0, min(_HIGH, round(_HIGH - (value - low) / scale * _HIGH))),
        )
        for at, value in enumerate(values)
    ]
    if len(places) == 1:
        places = [(0, places[0][1]), (round(curve.far * _WIDE), places[0][1])]
    (x, y), path = places[0], f"M{places[0][0]} {places[0][1]}l"
    for next_x, next_y in places[1:]:
        path += f"{next_x - x} {next_y - y} "
        x, y = next_x, next_y
    dashes = f"stroke-dasharray='{curve.dashes}' " if curve.dashes else ""
    effect = "vector-effect='non-scaling-stroke'"
    line = f"<path d='{path.strip()}' stroke='{curve.colour}' stroke-width='1.6' {dashes}{effect}/>"
    if not dot or curve.dashes:
        return line
    return f"{line}<path d='M{x} {y}h.01' stroke='{curve.colour}' stroke-width='5' stroke-linecap='round' {effect}/>"
