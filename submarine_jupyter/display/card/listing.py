"""The card of a list of experiments."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from submarine_jupyter.display.card.drawing.blocks import Block, Card, Foot, Head, Reason
from submarine_jupyter.display.card.drawing.table import Column, Table
from submarine_jupyter.display.card.drawing.values import LONGEST_NAME, counted, number
from submarine_jupyter.display.card.drawing.words import Words, bold, code, joined, say
from submarine_jupyter.display.card.facts import as_of_words, number_of
from submarine_jupyter.display.card.measures import better_of
from submarine_jupyter.display.card.rows import (
    Row,
    age_cell,
    counts,
    most_common,
    name_cell,
    params_cell,
    state_cell,
    why,
)

MOST_ROWS, MOST_METRICS = 30, 2


def list_card(
    rows: Sequence[Row],
    now: datetime,
    *,
    of: str = "",
    metrics: Sequence[str] = (),
    notices: Sequence[str] = (),
    more: str = "",
) -> Card:
    """Return rows as a table, in their order; of more than 30 the first.

    ``of`` says of what it is a list, ``metrics`` which metrics to show (by default those that most have), ``notices``
    what people should know of the server, ``more`` is the command that shows the others.
    """
    title = say(counted(len(rows), "experiment") if rows else "No experiments")
    blocks: list[Block] = [
        Head("list", title, say(of, 60), aside=counts(rows), as_of=as_of_words(now) if rows else Words())
    ]
    blocks += [Reason(say(notice), state="away") for notice in notices]
    shown = rows[:MOST_ROWS]
    if shown:
        blocks.append(_table(shown, now, [*metrics] or most_common(shown, "metrics", MOST_METRICS)))
    if foot := _foot(rows, more):
        blocks.append(Foot(foot))
    return Card("list", blocks, wide=True)


def _table(rows: Sequence[Row], now: datetime, metrics: Sequence[str]) -> Table:
    columns = [
        Column(say("State")),
        Column(say("Experiment")),
        *(Column(say(name, LONGEST_NAME), numbers=True) for name in metrics),
        Column(say("Age"), numbers=True),
        Column(say("Parameters")),
    ]
    best = {name: _best(rows, name) for name in metrics}
    cells = []
    for row in rows:
        measured = (_metric(row, name, best[name]) for name in metrics)
        cells.append([state_cell(row), name_cell(row), *measured, age_cell(row, now), params_cell(row)])
    return Table(columns, cells, {at: said for at, row in enumerate(rows) if (said := why(row))})


def _metric(row: Row, name: str, best: float | None) -> Words:
    value = (row.get("metrics") or {}).get(name)
    shown = say(number(value))
    return bold(shown) if value is not None and value == best else shown


def _best(rows: Sequence[Row], name: str) -> float | None:
    values = [value for row in rows if (value := (row.get("metrics") or {}).get(name)) is not None]
    better = better_of(name)
    return (max if better == "max" else min)(values) if better and len(values) > 1 else None


def _foot(rows: Sequence[Row], more: str) -> Words:
    if not rows:
        return code("%%submarine run") + " starts one"
    left = len(rows) - MOST_ROWS
    others = f"… {left:,} more" if left > 0 else ""
    ended = [number_of(row).text for row in rows if row["status"] == "Succeeded"][:2]
    compare = code(f"%submarine compare {' '.join(ended)}") if len(ended) == 2 else Words()
    return joined([say(others) + (": " + code(more) if others and more else ""), compare])
