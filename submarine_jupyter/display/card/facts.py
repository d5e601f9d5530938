"""The first lines of the card of an experiment, from the server's documents: state, time, replicas, target."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from submarine_jupyter.display.card.drawing.blocks import Head
from submarine_jupyter.display.card.drawing.icons import drawn_as
from submarine_jupyter.display.card.drawing.values import LONGEST_NAME, between, clock, counted, duration, moment, short
from submarine_jupyter.display.card.drawing.words import Words, joined, say, titled
from submarine_jupyter.spec.vocabulary import FINAL

Document = Mapping[str, Any]
_NOT_YET = ("Accepted", "Queued", "Waiting", "Starting")


def detail_of(known: Document) -> dict[str, Any]:
    """Return ``detail``, empty where the document has none."""
    return dict(known.get("detail") or {})


def state_of(known: Document) -> str:
    """Return the word for people."""
    return str(detail_of(known).get("state") or known.get("state") or known["status"])


def has_ended(known: Document) -> bool:
    """Return whether the experiment has ended."""
    return known["status"] in FINAL


def name_of(known: Document) -> Words:
    """Return the name of an experiment, of a document as of a row."""
    return say(str(known["name"] if "name" in known else known["spec"]["meta"]["name"]), LONGEST_NAME)


def number_of(known: Document) -> Words:
    """Return the number of an experiment; its long id shows under the mouse."""
    experiment_id = str(known["experimentId"])
    return titled(say(short(experiment_id)), experiment_id)


def head(known: Document, now: datetime, *, away: datetime | None = None, cell: str = "", note: str = "") -> Head:
    """Return the head of an experiment's card; ``away``: since when the server does not answer."""
    state = state_of(known)
    below = joined([*_parts(known, state), say(cell), _how_it_ended(known, now), say(note)])
    if away is not None:
        before = f"last known: {drawn_as(state).word}"
        as_of = as_of_words(away) + f", {duration((now - away).total_seconds())} ago"
        return Head("away", name_of(known), number_of(known), say("Not reachable"), say(before), below, as_of)
    as_of = Words() if has_ended(known) else as_of_words(now)
    aside = say(time_of(known, state, now))
    return Head(state, name_of(known), number_of(known), say(drawn_as(state).word), aside, below, as_of)


def as_of_words(now: datetime) -> Words:
    """Return when a card was written, for one that may still change."""
    return titled(say(f"as of {now.astimezone():%H:%M:%S}"), f"{now.astimezone():%Y-%m-%d %H:%M:%S %Z}")


def time_of(known: Document, state: str, now: datetime) -> str:
    """Return how long it took, runs, or waits."""
    if has_ended(known):
        took = between(known.get("runningTime"), known.get("finishedTime"), now)
        if took is None:
            return "before it ran"
        return f"{'took' if state == 'Succeeded' else 'after'} {duration(took, exact=True)}"
    since = known.get("acceptedTime")
    if state in _NOT_YET:
        since = (detail_of(known).get("plan") or {}).get("since") or since
    elif state in ("Running", "Stopping"):
        since = known.get("runningTime") or since
    waited = between(since, None, now)
    return "" if waited is None else duration(waited)


def _parts(known: Document, state: str) -> list[Words]:
    """Return framework, replicas, target and attempt."""
    detail = detail_of(known)
    spec = known["spec"]
    target = detail.get("target") or (spec.get("runtime") or {}).get("target")
    attempt = detail.get("attempt") or 1
    return [
        say(str(spec["meta"]["framework"])),
        say(replicas_of(known, state)),
        say(f"target {target}" if target else ""),
        say(f"attempt {attempt}" if attempt > 1 else ""),
    ]


def replicas_of(known: Document, state: str) -> str:
    """Return ``2 of 3 replicas ready`` while it may still change, else ``1 Master and 2 Workers``."""
    asked = {role: int(task.get("replicas") or 0) for role, task in known["spec"]["spec"].items()}
    found = detail_of(known).get("replicas") or ()
    total = sum(asked.values())
    if has_ended(known) or not found:
        counts = [counted(count, role if role == role.upper() else role.lower()) for role, count in asked.items()]
        return " and ".join(counts)
    if state == "Stopping":
        ending = sum(one["status"] not in ("Succeeded", "Failed", "Stopped") for one in found)
        return f"{ending} of {counted(total, 'replica')} still running"
    ready = sum(one["status"] == "Running" for one in found)
    return f"{ready} of {counted(total, 'replica')} ready"


def _how_it_ended(known: Document, now: datetime) -> Words:
    finished = moment(known.get("finishedTime"))
    if finished is None or not has_ended(known):
        return Words()
    word = "stopped" if state_of(known) == "Stopped" else "ended"
    here = finished.astimezone()
    return titled(say(f"{word} {clock(finished, now.astimezone())}"), f"{here:%Y-%m-%d %H:%M:%S %Z}")
