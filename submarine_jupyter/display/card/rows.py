"""Rows of experiments, as ``GET experiment?view=row`` answers them, in the cells of a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from submarine_jupyter.display.card.drawing.icons import STATES, drawn_as, icon
from submarine_jupyter.display.card.drawing.values import (
    LONGEST_NAME,
    MISSING,
    age,
    between,
    clean,
    duration,
    setting,
    shortened_ids,
)
from submarine_jupyter.display.card.drawing.words import Words, bold, joined, muted, say
from submarine_jupyter.display.card.facts import Document, name_of, number_of, state_of
from submarine_jupyter.display.card.measures import rank

Row = Mapping[str, Any]
LONGEST_NOTE = 120


def row_of(known: Document) -> Row:
    """Return an experiment's document (``?view=summary`` or ``full``) as a row; without metrics, for it has none."""
    if "name" in known:
        return known
    detail, runtime = known.get("detail") or {}, known["spec"].get("runtime") or {}
    roles = known["spec"]["spec"].values()
    return {
        **known,
        **{key: detail.get(key) for key in ("reason", "message", "progress")},
        "name": known["spec"]["meta"]["name"],
        "state": state_of(known),
        "framework": known["spec"]["meta"]["framework"],
        "target": detail.get("target") or runtime.get("target"),
        "params": detail.get("params") or runtime.get("params") or {},
        "metrics": detail.get("metrics") or {},
        "total": sum(int(task.get("replicas") or 0) for task in roles),
    }


def state_cell(row: Row) -> Words:
    """Return icon and word."""
    drawn = drawn_as(state_of(row))
    return Words(f"{icon(state_of(row), 14)} &nbsp;{say(drawn.word).html}", f"{drawn.glyph} {say(drawn.word).text}")


def name_cell(row: Row) -> Words:
    """Return name and number."""
    return bold(name_of(row)) + Words(" &nbsp;", "  ") + muted(number_of(row))


def age_cell(row: Row, now: datetime) -> Words:
    """Return how long ago it was accepted."""
    since = between(row.get("acceptedTime"), None, now)
    return muted("" if since is None else age(since))


def took_cell(row: Row, now: datetime) -> Words:
    """Return how long it ran, or runs."""
    took = between(row.get("runningTime"), row.get("finishedTime"), now)
    return muted(MISSING if took is None else duration(took, exact=bool(row.get("finishedTime"))))


def params_cell(row: Row, names: Sequence[str] = (), most: int = 3) -> Words:
    """Return the first parameters: those ``names``, or the first by name."""
    params = row.get("params") or {}
    chosen = [name for name in names or sorted(params) if name in params]
    shown = joined([say(f"{clean(name, LONGEST_NAME)} {setting(params[name])}") for name in chosen[:most]])
    return shown + " …" if len(chosen) > most else shown


def why(row: Row) -> Words:
    """Return why a row is as it is, where a person would ask: it waits or has failed."""
    if state_of(row) not in ("Queued", "Waiting", "Starting", "Failed"):
        return Words()
    message = shortened_ids(str(row.get("message") or ""))
    lines = [line for line in message.splitlines() if line.strip()]
    # The last line of a traceback is the error.
    is_traceback = len(lines) > 2 and any(line.startswith("Traceback") for line in lines)
    return (
        say(lines[-1] if is_traceback else lines[0].removesuffix("; last lines:"), LONGEST_NOTE) if lines else Words()
    )


def counts(rows: Sequence[Row]) -> Words:
    """Return how many are in each state: what runs first, what has ended well last."""
    found = Counter(state_of(row) for row in rows)
    order = ("Running", "Starting", "Waiting", "Queued", "Accepted", "Stopping", "Failed", "Succeeded", "Stopped")
    known = [state for state in order if state in found] + sorted(set(found) - set(order))
    return joined(
        (
            Words(f"{icon(state, 14)} ", "") + f"{found[state]:,} {clean(state, 20).lower()}"
            for state in known
            if state in STATES or found[state]
        ),
        " · ",
    )


def most_common(rows: Sequence[Row], field: str, most: int) -> list[str]:
    """Return the names (of metrics, of parameters) that most rows have, by how many have them."""
    found = Counter(name for row in rows for name in (row.get(field) or {}))
    return [name for name, _ in sorted(found.items(), key=lambda one: (-one[1], *rank(one[0]), one[0]))][:most]
