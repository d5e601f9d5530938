"""The card of a comparison: what differs between experiments, the best marked, and their curves on one chart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from submarine_jupyter.display.card.drawing.blocks import FIGURES, LABEL, Block, Card, Foot, Head, Raw
from submarine_jupyter.display.card.drawing.curves import Curve, blocks, finite
from submarine_jupyter.display.card.drawing.icons import SERIES, data_uri, icon, twin
from submarine_jupyter.display.card.drawing.table import Column, Table
from submarine_jupyter.display.card.drawing.values import LONGEST_NAME, MISSING, clean, counted, number, setting
from submarine_jupyter.display.card.drawing.words import MUTED, Words, bold, code, joined, muted, say
from submarine_jupyter.display.card.facts import as_of_words, name_of, number_of
from submarine_jupyter.display.card.measures import better_of, chart_of
from submarine_jupyter.display.card.rows import Row, state_cell, took_cell
from submarine_jupyter.spec.vocabulary import FINAL

MOST_EXPERIMENTS, MOST_PARAMS, MOST_METRICS = 6, 12, 8


def comparison_card(
    compared: Mapping[str, Any],
    now: datetime,
    *,
    metric: str = "",
    better: str = "",
    curves: Mapping[str, Sequence[float]] | None = None,
    variable: str = "cmp",
    of: str = "",
) -> Card:
    """Return the result of ``GET experiment/compare`` as a table of what differs, best first by ``metric``.

    ``better`` is ``max`` or ``min``; ``curves`` are values of the metric by the id of the experiment; ``variable`` is
    the name of the comparison in the notebook. Of more than 6 experiments the best are shown.
    """
    metrics = {str(one["name"]): one for one in compared["metrics"]}
    metric = metric or next((name for name in metrics if better_of(name)), next(iter(metrics), ""))
    better = better or better_of(metric) or "max"
    every = compared["experiments"]
    order = _order(metrics.get(metric), len(every), better)[:MOST_EXPERIMENTS]
    order_word = f"by {metric}, {'highest' if better == 'max' else 'lowest'} first" if metric in metrics else ""
    going = sum(one["status"] not in FINAL for one in every)
    blocks_: list[Block] = [
        Head(
            "compare",
            say(counted(len(every), "experiment")),
            say(of, 60),
            aside=say(order_word),
            below=say(f"{going} still run" if going else ""),
            as_of=as_of_words(now) if going else Words(),
        )
    ]
    drawn = {at: curves[key] for at in order if curves and (key := str(every[at]["experimentId"])) in curves}
    if drawn:
        blocks_.append(_chart(metric, every, order, drawn, metrics.get(metric)))
    blocks_.append(_table(compared, order, now, metric, better, with_swatches=bool(drawn)))
    if compared.get("same"):
        blocks_.append(_same(compared["same"]))
    blocks_.append(Foot(_foot(every, order, variable)))
    return Card("compare", blocks_, wide=True)


def _order(measured: Mapping[str, Any] | None, count: int, better: str) -> list[int]:
    if measured is None:
        return list(range(count))
    last = measured["last"]
    sign = -1.0 if better == "max" else 1.0
    return sorted(range(count), key=lambda at: (last[at] is None, 0.0 if last[at] is None else sign * last[at]))


def _swatch(place: int) -> str:
    colour, dashes, character = SERIES[place]
    dashed = f" stroke-dasharray='{dashes}'" if dashes else ""
    svg = (
        "<svg xmlns='http://www.w3.org/2000/svg' width='26' height='8' viewBox='0 0 26 8'>"
        f"<path d='M0 4H26' stroke='{colour}' stroke-width='2.4'{dashed}/></svg>"
    )
    style = "width:26px;height:8px;vertical-align:middle;max-width:none;margin:0;display:inline"
    return f'<img style="{style}" alt="" src="{data_uri(svg)}">{twin(character)}'


def _chart(
    metric: str,
    every: Sequence[Row],
    order: Sequence[int],
    drawn: Mapping[int, Sequence[float]],
    measured: Mapping[str, Any] | None,
) -> Block:
    values = [value for curve in drawn.values() for value in finite(curve)] or [0.0]
    low, high = min(values), max(values)
    longest = max(map(len, drawn.values()))
    lines = [
        Curve(drawn[at], *SERIES[place][:2], far=len(drawn[at]) / longest)
        for place, at in enumerate(order)
        if at in drawn
    ]
    text = {at: blocks(drawn[at], low=low, high=high) for at in order if at in drawn}
    stand_in = "; ".join(f"{number_of(every[at]).text} {line}" for at, line in text.items())
    chart = chart_of(say(metric, LONGEST_NAME), lines, (number(high), number(low)), ("first", "last"), stand_in)
    legend = ""
    for place, at in enumerate(order):
        last = number(measured["last"][at]) if measured else ""
        star = icon("best", 13) if place == 0 else ""
        who = f'{name_of(every[at]).html} <span style="{MUTED}">&nbsp;{number_of(every[at]).html}</span>'
        legend += f'<div style="{FIGURES}">{_swatch(place)} &nbsp;<b>{last}</b> &nbsp;{who} {star}</div>'
    markup = (
        '<div style="display:flex;flex-wrap:wrap;gap:10px 24px;margin-top:10px">'
        f'<div style="flex:3 1 320px;min-width:260px">{chart}</div><div style="flex:1 1 230px">'
        f'<div style="{LABEL};margin-bottom:4px">at the end</div>{legend}</div></div>'
    )
    return Raw(markup)


def _table(
    compared: Mapping[str, Any], order: Sequence[int], now: datetime, metric: str, better: str, *, with_swatches: bool
) -> Block:
    every = compared["experiments"]
    headers = [
        Words(f"{_swatch(place)} " if with_swatches else "", "") + number_of(every[at])
        for place, at in enumerate(order)
    ]
    columns = [Column(say("What differs")), *(Column(header, numbers=True) for header in headers)]
    rows: list[list[Words]] = [[say("name"), *(name_of(every[at]) for at in order)]] if _differ(every, order) else []
    rows += [
        [say(clean(one["name"], LONGEST_NAME)), *(say(setting(one["values"][at])) for at in order)]
        for one in compared["params"][:MOST_PARAMS]
    ]
    rows += [
        [say(clean(one["name"], LONGEST_NAME)), *_values(one, order, metric, better)]
        for one in compared["metrics"][:MOST_METRICS]
    ]
    rows.append([say("took"), *(took_cell(every[at], now) + _still(every[at]) for at in order)])
    rows.append([say("state"), *(state_cell(every[at]) for at in order)])
    return Table(columns, rows, {})


def _differ(every: Sequence[Row], order: Sequence[int]) -> bool:
    return len({every[at]["name"] for at in order}) > 1


def _still(row: Row) -> Words:
    return say("" if row["status"] in FINAL or not row.get("runningTime") else " …")


def _values(one: Mapping[str, Any], order: Sequence[int], metric: str, better: str) -> list[Words]:
    last = [one["last"][at] for at in order]
    known = [value for value in last if value is not None]
    kind = better if one["name"] == metric else better_of(str(one["name"]))
    best = (max if kind == "max" else min)(known) if kind and len(known) > 1 else None
    made = []
    for value in last:
        shown = say(MISSING if value is None else number(value))
        if value is not None and value == best:
            star = Words(f"{icon('best', 13)} ", "★ ") if one["name"] == metric else Words()
            shown = star + bold(shown)
        made.append(shown)
    return made


def _same(same: Mapping[str, Any]) -> Block:
    title = f"The same in all: {counted(len(same), 'parameter')}"
    listed = say(
        " · ".join(f"{clean(name, LONGEST_NAME)} {setting(value)}" for name, value in list(same.items())[:40]), 2000
    )
    markup = (
        f'<details style="margin-top:6px"><summary style="cursor:pointer">{title}</summary>'
        f'<div style="{MUTED};margin-top:2px">{listed.html}</div></details>'
    )
    return Raw(markup, [title])


def _foot(every: Sequence[Row], order: Sequence[int], variable: str) -> Words:
    left = len(every) - len(order)
    more = muted(f"… {left:,} more") if left else Words()
    first = [number_of(every[at]).text for at in order[:2]]
    diff = code(f"%submarine diff {' '.join(first)}") if len(first) == 2 else Words()
    return joined([more, code(f"{variable}.to_pandas()"), diff])
