"""Curves in one picture: by matplotlib where it is there, else as an SVG of our own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from importlib import import_module
from typing import Any

from submarine_jupyter.display.card.drawing import icons

Curves = Mapping[str, Sequence[tuple[float, float]]]
WIDTH, HEIGHT = 640, 240
# Without the grey one, which is hard to tell from a rule.
SERIES = [(colour, dashes) for colour, dashes, _ in icons.SERIES[:5]]


class Picture:
    """Curves as an image in HTML, with their last values as words."""

    def __init__(self, curves: Curves) -> None:
        self._curves = {name: finite for name, points in curves.items() if (finite := _finite(points))}

    def __repr__(self) -> str:
        lines = [f"{name}: {points[-1][1]:.6g} at {points[-1][0]:g}" for name, points in self._curves.items()]
        return "\n".join(lines) or "no points yet"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return {"text/plain": repr(self), "text/html": self._html()}

    def _html(self) -> str:
        if not self._curves:
            return "<p>no points yet</p>"
        source = icons.data_uri(svg(self._curves))
        legend = " · ".join(
            f'<span style="border-left:14px solid {SERIES[at % len(SERIES)][0]};padding-left:5px">{escape(line)}</span>'
            for at, line in enumerate(repr(self).splitlines())
        )
        low, high = _ends(self._curves, 1)
        axis = f"from {low:.6g} to {high:.6g}"
        image = f'<img alt="" width="{WIDTH}" height="{HEIGHT}" src="{source}">'
        return f"<div>{image}<div>{legend}</div><div>{axis}</div></div>"


def plot(curves: Curves) -> Any:
    """Return a picture of curves, each of points (step, value): axes of matplotlib, else a Picture."""
    try:
        pyplot = import_module("matplotlib.pyplot")
    except ImportError:
        return Picture(curves)
    _, axes = pyplot.subplots()
    for name, points in curves.items():
        axes.plot([step for step, _ in points], [value for _, value in points], label=name)
    axes.set_xlabel("step")
    axes.legend()
    return axes


def svg(curves: Curves) -> str:
    """Return an SVG of curves that have finite points; no text in it, no style."""
    (left, right), (low, high) = _ends(curves, 0), _ends(curves, 1)
    lines = []
    for at, points in enumerate(curves.values()):
        colour, dashes = SERIES[at % len(SERIES)]
        path = " ".join(
            f"{_scaled(step, left, right, WIDTH):.1f},{HEIGHT - _scaled(value, low, high, HEIGHT):.1f}"
            for step, value in points
        )
        lines.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6" stroke-dasharray="{dashes}"/>'
        )
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-4 -4 {WIDTH + 8} {HEIGHT + 8}">{"".join(lines)}</svg>'


def _finite(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [point for point in points if math.isfinite(point[1])]


def _ends(curves: Curves, axis: int) -> tuple[float, float]:
    values = [point[axis] for points in curves.values() for point in points]
    return min(values), max(values)


def _scaled(value: float, low: float, high: float, size: int) -> float:
    return size * (value - low) / (high - low) if high > low else size / 2
