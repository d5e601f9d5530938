"""The card of a group of experiments, such as a sweep: how far it is, which is the best, and each of its trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from submarine_jupyter.display.card.drawing.blocks import Block, Card, Foot, Head, Raw, Reason
from submarine_jupyter.display.card.drawing.curves import Curve, blocks, picture
from submarine_jupyter.display.card.drawing.icons import GREEN, RED, TRACK, drawn_as, icon
from submarine_jupyter.display.card.drawing.table import Column, Table
from submarine_jupyter.display.card.drawing.values import LONGEST_NAME, MISSING, between, duration, number, setting
from submarine_jupyter.display.card.drawing.words import Words, bold, code, joined, muted, say
from submarine_jupyter.display.card.facts import as_of_words, number_of, state_of
from submarine_jupyter.display.card.measures import better_of
from submarine_jupyter.display.card.rows import Row, counts, most_common, params_cell, state_cell, took_cell, why
from submarine_jupyter.spec.vocabulary import FINAL

MOST_TRIALS, MOST_PARAMS, MOST_STRIPS = 16, 4, 200


def group_card(
    name: str,
    rows: Sequence[Row],
    now: datetime,
    *,
    metric: str = "",
    better: str = "",
    curves: Mapping[str, Sequence[float]] | None = None,
    at_once: int | None = None,
    cell: str = "",
) -> Card:
    """Return the members of a group (``?view=row&group=NAME``), best first by ``metric`` (``better``: max or min).

    Without a metric the first that most have. ``curves`` are its values by the id of the experiment, ``at_once`` how
    many may run. Of more than 16 the best, those that run and those that failed last are shown.
    """
    metric = metric or _metric_of(rows)
    better = better or better_of(metric) or "max"
    ranked = _ranked(rows, metric, better)
    ended = sum(row["status"] in FINAL for row in rows)
    word = f"{ended} of {len(rows)} ended" if ended < len(rows) else f"All {len(rows)} ended"
    below = joined([_spaces(rows), say(f"{at_once} at a time" if at_once else ""), say(_target(rows)), say(cell)])
    as_of = as_of_words(now) if ended < len(rows) else Words()
    blocks_: list[Block] = [
        Head("group", say(name, LONGEST_NAME), Words(), say(word), say(_time(rows, now)), below, as_of),
        _strip(rows),
    ]
    if metric and (best := _best(ranked, metric)):
        blocks_.append(best)
    shown = _chosen(ranked)
    if shown:
        blocks_.append(_table(shown, now, metric, curves or {}))
    left = len(rows) - len(shown)
    more = say(f"… {left:,} more: ") + code(f"%submarine list --group {name}") if left else Words()
    stop = "stop the rest: " + code(f"%submarine stop --group {name}") if ended < len(rows) else Words()
    blocks_.append(Foot(joined([more, code(f"%submarine compare --group {name}"), stop])))
    return Card("group", blocks_, wide=True)


def _metric_of(rows: Sequence[Row]) -> str:
    found = most_common(rows, "metrics", 20)
    good = [name for name in found if better_of(name) == "max"] or [name for name in found if better_of(name)] or found
    return good[0] if good else ""


def _value(row: Row, metric: str) -> float | None:
    found = (row.get("metrics") or {}).get(metric)
    return found if isinstance(found, int | float) else None


def _ranked(rows: Sequence[Row], metric: str, better: str) -> list[Row]:
    """Return the best first; those that failed, and those that measure nothing yet, behind."""
    sign = -1.0 if better == "max" else 1.0

    def place(row: Row) -> tuple[bool, float, bool]:
        value = _value(row, metric)
        out = value is None or state_of(row) == "Failed"
        return out, 0.0 if value is None else sign * value, row["status"] not in FINAL

    # Rows come newest first, and of equal ones the first that was submitted leads.
    as_submitted = rows[::-1]
    return sorted(as_submitted, key=place)


def _chosen(ranked: Sequence[Row]) -> list[Row]:
    """Return the trials that are shown: the best ten, what runs, what failed last, in their order."""
    if len(ranked) <= MOST_TRIALS:
        return list(ranked)
    kept = [id(row) for row in ranked[:10]]
    going = [id(row) for row in ranked if state_of(row) == "Running"]
    failed = sorted((row for row in ranked if state_of(row) == "Failed"), key=lambda row: str(row["finishedTime"]))
    wanted = dict.fromkeys([*kept, *going, *(id(row) for row in reversed(failed))])
    chosen = set(list(wanted)[:MOST_TRIALS])
    return [row for row in ranked if id(row) in chosen]


def _spaces(rows: Sequence[Row]) -> Words:
    """Return which values the parameters take that differ: ``lr 0.01, 0.1 × batch 32, 64``."""
    spaces = []
    for name in _varying(rows)[:MOST_PARAMS]:
        values = list(dict.fromkeys(setting((row.get("params") or {}).get(name)) for row in reversed(rows)))
        spaces.append(f"{name} {', '.join(values[:6])}{' …' if len(values) > 6 else ''}")
    return say(" × ".join(spaces), 120)


def _varying(rows: Sequence[Row]) -> list[str]:
    names = most_common(rows, "params", 20)
    return [name for name in names if len({str((row.get("params") or {}).get(name)) for row in rows}) > 1]


def _target(rows: Sequence[Row]) -> str:
    found = {str(row["target"]) for row in rows if row.get("target")}
    return f"target {found.pop()}" if len(found) == 1 else ""


def _time(rows: Sequence[Row], now: datetime) -> str:
    """Return the time from the first acceptance to the last end, or to the present."""
    begun = min((str(row["acceptedTime"]) for row in rows if row.get("acceptedTime")), default=None)
    ends = [row.get("finishedTime") for row in rows]
    end = max(map(str, ends)) if ends and all(ends) else None
    took = between(begun, end, now)
    return "" if took is None else duration(took)


def _strip(rows: Sequence[Row]) -> Block:
    order = {"Succeeded": 0, "Failed": 1, "Stopped": 2, "Stopping": 3, "Running": 4, "Starting": 5}
    states = sorted((state_of(row) for row in rows), key=lambda state: order.get(state, 6))
    colours = {"Succeeded": GREEN, "Failed": RED, "Running": drawn_as("Running").colour}
    pieces = "".join(
        f'<div style="flex:1 1 0;height:{4 if state == "Failed" else 8}px;background:{colours.get(state, TRACK)};'
        'border-radius:2px"></div>'
        for state in states[:MOST_STRIPS]
    )
    said = counts(rows)
    apart = 3 if len(rows) < 60 else 0
    strip = f'<div style="display:flex;gap:{apart}px;align-items:flex-end;margin-top:10px">{pieces}</div>'
    return Raw(f'{strip}<div style="margin-top:3px">{said.html}</div>', [said.text])


def _best(ranked: Sequence[Row], metric: str) -> Block | None:
    if not ranked or state_of(ranked[0]) == "Failed" or _value(ranked[0], metric) is None:
        return None
    first = ranked[0]
    value = _value(first, metric) or 0.0
    second = _value(ranked[1], metric) if len(ranked) > 1 and state_of(ranked[1]) != "Failed" else None
    with_ = params_cell(first, _varying(ranked), MOST_PARAMS)
    ahead = f", {number(abs(value - second))} from the next" if second not in (None, value) else ""
    best = say("Best so far: ") + bold(f"{metric} {number(value)}") + (" with " + bold(with_) if with_ else "")
    return Reason(best + muted(f" (experiment {number_of(first).text}){ahead}"), state="best")


def _table(rows: Sequence[Row], now: datetime, metric: str, curves: Mapping[str, Sequence[float]]) -> Block:
    params = _varying(rows)[:MOST_PARAMS]
    others = [name for name in most_common(rows, "metrics", 3) if name != metric][:1]
    drawn = (
        [(low, high)] if (low := _edge(min, curves)) is not None and (high := _edge(max, curves)) is not None else []
    )
    columns = [
        Column(say("State")),
        Column(say("Trial")),
        *([Column(say(metric, LONGEST_NAME), numbers=True)] if metric else []),
        *([Column(say("curve"))] if drawn else []),
        *(Column(say(name, LONGEST_NAME), numbers=True) for name in (*params, *others)),
        Column(say("Took"), numbers=True),
    ]
    leader = state_of(rows[0]) != "Failed" and _value(rows[0], metric) is not None
    cells = []
    for at, row in enumerate(rows):
        is_best = leader and at == 0
        value = number(_value(row, metric))
        star = Words(f" &nbsp;{icon('best', 13)} <b>best</b>", " ★") if is_best else Words()
        cells.append([
            state_cell(row),
            number_of(row) + star,
            *([bold(value) if is_best else say(value)] if metric else []),
            *(_curve(row, curves.get(str(row["experimentId"]), ()), *edges) for edges in drawn),
            *(say(setting((row.get("params") or {}).get(name))) for name in params),
            *(say(number(_value(row, name))) for name in others),
            took_cell(row, now),
        ])  # fmt: skip
    notes = {at: said for at, row in enumerate(rows) if state_of(row) == "Failed" and (said := why(row))}
    return Table(columns, cells, notes, best=0 if leader else None)


def _edge(which: Any, curves: Mapping[str, Sequence[float]]) -> float | None:
    values = [value for curve in curves.values() for value in curve if value == value]
    return which(values) if values else None


def _curve(row: Row, values: Sequence[float], low: float, high: float) -> Words:
    if not values:
        return Words(MISSING, "")
    line = Curve(values, drawn_as(state_of(row)).colour)
    text = blocks(values, low=low, high=high)
    return Words(
        f'<div style="width:120px">{picture([line], 22, low=low, high=high, points=24, stands_for=text)}</div>', text
    )
