"""What an experiment has measured, as tiles while it runs and as a chart once it has ended."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from submarine_jupyter.display.card.drawing.blocks import FIGURES, LABEL, Raw, Tile, Tiles
from submarine_jupyter.display.card.drawing.curves import Curve, blocks, finite, picture
from submarine_jupyter.display.card.drawing.icons import SERIES, twin
from submarine_jupyter.display.card.drawing.values import LONGEST_NAME, left, number
from submarine_jupyter.display.card.drawing.words import MUTED, Words, joined, say

MOST_TILES = 4
_HIGH_IS_GOOD = re.compile(
    r"acc|auc|f1|precision|recall|score|map\b|bleu|rouge|iou|dice|psnr|ssim|r2|reward", re.IGNORECASE
)
_LOW_IS_GOOD = re.compile(r"loss|err|mse|mae|rmse|perplexity|ppl|logloss|wer|cer|fid", re.IGNORECASE)
_OF_VALIDATION = re.compile(r"^(?:val|valid|validation|eval|test)[_/ -]")


class Measure(NamedTuple):
    """One metric of the replica that leads: its values, the steps they belong to (None: not numbered)."""

    name: str
    values: list[float]
    steps: list[int | None]

    @property
    def last(self) -> float:
        """Its newest value."""
        return self.values[-1]

    def best(self) -> int | None:
        """Return where its best value is; None where nobody knows which that would be."""
        better = better_of(self.name)
        known = [(value, at) for at, value in enumerate(self.values) if math.isfinite(value)]
        if better is None or not known:
            return None
        return (max if better == "max" else min)(known)[1]


def better_of(name: str) -> str | None:
    """Return ``max`` or ``min``, whichever is the better value of a metric of this name; None: nobody knows."""
    if _LOW_IS_GOOD.search(name):
        return "min"
    return "max" if _HIGH_IS_GOOD.search(name) else None


def measures(series: Sequence[dict[str, Any]]) -> list[Measure]:
    """Return the metrics of ``GET {id}/metrics``, what people watch first at their head: accuracy, a loss, others."""
    found: dict[str, Measure] = {}
    for one in series:
        # Replicas come in their order: the first that measures something leads.
        if one["name"] in found or not one["points"]:
            continue
        values = [math.nan if point["value"] is None else float(point["value"]) for point in one["points"]]
        found[one["name"]] = Measure(str(one["name"]), values, [point["step"] for point in one["points"]])
    return sorted(found.values(), key=lambda one: (rank(one.name), one.name))


def rank(name: str) -> tuple[int, bool]:
    """Return a place for a metric by its name: what is good when high, then what is good when low, then others."""
    kind = {"max": 0, "min": 1, None: 2}[better_of(name)]
    return kind, bool(_OF_VALIDATION.match(name))


def tiles(found: Sequence[Measure], colour: str) -> Tiles:
    """Return the first few metrics as tiles."""
    return Tiles([Tile(label(one), number(one.last), one.values, note(one), colour) for one in found[:MOST_TILES]])


def label(one: Measure) -> Words:
    """Return the name of a metric."""
    return say(one.name, LONGEST_NAME)


def note(one: Measure) -> Words:
    """Return the best value and where it was, or at which step the newest one is."""
    best = one.best()
    if best is not None and len(one.values) > 1:
        step = one.steps[best]
        return say(f"best {number(one.values[best])}" + (f" at step {step:,}" if step is not None else ""))
    step = one.steps[-1]
    return say(f"step {step:,}" if step is not None else "")


def result(found: Sequence[Measure]) -> Raw:
    """Return the first metric as a chart, with that of the validation beside it, and the last values of the others."""
    first, *others = found
    pair = [one for one in others if _OF_VALIDATION.sub("", one.name) == first.name][:1]
    drawn = [first, *pair]
    ends = [number(value) for value in _ends(drawn)]
    curves = [Curve(one.values, *SERIES[at][:2]) for at, one in enumerate(drawn)]
    chart = chart_of(label(first), curves, ends, _steps(first), f"{first.name} {blocks(first.values, 24)}")
    legend = joined(
        (Words(f'<span style="color:{SERIES[at][0]}">{SERIES[at][2] * 2}</span> ', "") + say(one.name, LONGEST_NAME)
         + f" {number(one.last)}" for at, one in enumerate(drawn)), "  ",
    )  # fmt: skip
    rest = [one for one in others if one not in pair][:6]
    more = joined([label(one) + " " + Words(f"<b>{number(one.last)}</b>", number(one.last)) for one in rest])
    big = f'<div><b style="font-size:1.35em;{FIGURES}">{number(first.last)}</b> {label(first).html}</div>'
    said = f'<div style="{MUTED};font-size:.87em">{note(first).html}</div>'
    pairs = f'<div style="margin-top:6px">{legend.html}</div>' if pair else ""
    markup = (
        '<div style="display:flex;flex-wrap:wrap;gap:10px 28px;margin-top:10px">'
        f'<div style="flex:3 1 300px;min-width:260px">{chart}</div><div style="flex:1 1 190px;min-width:190px">'
        f'<div style="{LABEL};margin-bottom:2px">Result</div>{big}{said}{pairs}<div>{more.html}</div></div></div>'
    )
    return Raw(markup, _result_text(first, [*pair, *rest][:6]))


def chart_of(title: Words, curves: Sequence[Curve], ends: Sequence[str], steps: tuple[str, str], stand_in: str) -> str:
    """Return curves under a title, with the ends of both axes as words."""
    axis = f"font-size:.82em;{MUTED}"
    scale = " ".join(f"<span>{end}</span>" for end in ends)
    column = "display:flex;flex-direction:column;justify-content:space-between;flex:0 0 2.6em"
    side = f"{column};text-align:right;line-height:1;{axis}"
    drawn = picture(curves, 120, grid=True, stands_for=say(stand_in).html)
    below = f"display:flex;justify-content:space-between;{axis};margin-left:3.1em;{FIGURES}"
    return (
        f'<div style="{LABEL};margin-bottom:4px">{title.html}</div><div style="display:flex;gap:8px;{FIGURES}">'
        f'<div style="{side}">{twin("scale:")} {scale}</div><div style="flex:1 1 0;min-width:0">{drawn}</div></div>'
        f'<div style="{below}"><span>{steps[0]}</span> {twin("to")} <span>{steps[1]}</span></div>'
    )


def _ends(drawn: Sequence[Measure]) -> tuple[float, float]:
    values = [value for one in drawn for value in finite(one.values)] or [0.0]
    return max(values), min(values)


def _steps(one: Measure) -> tuple[str, str]:
    known = [step for step in one.steps if step is not None]
    return (f"step {known[0]:,}", f"{known[-1]:,}") if known else ("first", "last")


def _result_text(first: Measure, others: Sequence[Measure]) -> list[str]:
    wide = max(len(label(one).text) for one in (first, *others))
    figures = max(len(number(one.last)) for one in (first, *others))
    curve = f"{blocks(first.values, 24)}  {note(first).text}"
    head = f"{left(label(first).text, wide)}  {number(first.last):>{figures}}  {curve}"
    return [head, *(f"{left(label(one).text, wide)}  {number(one.last):>{figures}}" for one in others)]
