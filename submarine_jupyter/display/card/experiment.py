"""The card of one experiment, in each of its states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from submarine_jupyter.display.card.drawing.blocks import Block, Card, Foot, Progress, Raw, Reason
from submarine_jupyter.display.card.drawing.icons import GREY, TINT, drawn_as, icon
from submarine_jupyter.display.card.drawing.log import Line, Log
from submarine_jupyter.display.card.drawing.values import LONGEST_REASON, clean, counted, duration, short, shortened_ids
from submarine_jupyter.display.card.drawing.words import Words, bold, code, joined, muted, say
from submarine_jupyter.display.card.errors import failure_blocks
from submarine_jupyter.display.card.facts import Document, detail_of, has_ended, head, state_of
from submarine_jupyter.display.card.measures import measures, result, tiles

# A card of what runs always shows so many lines, and at most so many bars: written again it does not jump.
LAST_LINES, MOST_BARS = 4, 8
# An estimate needs something to go by.
LEAST_PERCENT, LEAST_S = 5.0, 20.0


@dataclass(frozen=True)
class Shown:
    """The lines of an experiment on its card: ``lines``, then ``left_out`` others (``left_bytes``), then ``tail``.

    ``bars`` are the newest unfinished line of each replica, ``total`` how many lines there were.
    """

    lines: Sequence[Line] = ()
    tail: Sequence[Line] = ()
    left_out: int = 0
    left_bytes: int = 0
    bars: Sequence[Line] = ()
    total: int = 0


@dataclass(frozen=True)
class Scene:
    """Where a card stands: whether its cell waits, has detached, or was attached; since when the server is away.

    ``trouble`` says why the server does not answer, ``cell`` names the cell (``Cell In[4]``).
    """

    waits: bool = False
    detached: bool = False
    attached: bool = False
    away: datetime | None = None
    trouble: str = ""
    cell: str = ""
    series: Sequence[dict[str, Any]] = field(default_factory=tuple)
    shown: Shown = field(default_factory=Shown)


def experiment_card(known: Document, now: datetime, scene: Scene | None = None) -> Card:
    """Return the card of ``GET experiment/{id}?view=full`` (``known``), as it is at the moment ``now``.

    ``known`` may have no ``detail``: then less is said.
    """
    scene = scene or Scene()
    state = "away" if scene.away else state_of(known)
    blocks: list[Block] = [head(known, now, away=scene.away, cell=scene.cell)]
    blocks += _first_of_all(known, now, scene)
    if has_ended(known):
        blocks += _ended(known, scene)
    elif not scene.detached:
        blocks += _going_on(known, scene)
    else:
        blocks += [*_progress(known, scene), _detached(known)]
    if said := _commands(known, scene):
        blocks.append(Foot(said))
    return Card(state, blocks)


def _first_of_all(known: Document, now: datetime, scene: Scene) -> list[Block]:
    """Return why it is so: what a person wants to know before any number."""
    if scene.away:
        why = bold(f"The server has not answered since {scene.away.astimezone():%H:%M:%S}.")
        goes_on = "" if has_ended(known) else " The experiment does not need this connection and goes on."
        return [Reason(why + goes_on, muted(joined([say(scene.trouble), code("%submarine connect")])))]
    found: list[Block] = []
    if scene.attached:
        number = short(known["experimentId"])
        why = bold(f"The same code of this cell still runs as {number}: attached to it.")
        found.append(Reason(why, muted("Another one beside it: " + code("%%submarine run --again"))))
    state = state_of(known)
    if state == "Failed":
        return [*found, *_attempts(known), *failure_blocks(known, scene.cell)]
    if state == "Stopping":
        why = bold("Stop was asked for.") + " Replicas have some time to save their work; then they are killed."
        return [*found, Reason(why, muted(_ending(known)))]
    return [*found, *_attempts(known), *_why(known, state)]


def _why(known: Document, state: str) -> list[Block]:
    detail = detail_of(known)
    message = shortened_ids(str(detail.get("message") or detail.get("reason") or ""))
    plan = detail.get("plan") or {}
    if not message or state in ("Succeeded", "Stopped"):
        return [*(Reason(muted(say(str(note)))) for note in (detail.get("notes") or ())[:2])]
    first, colon, rest = clean(message, LONGEST_REASON).partition(": ")
    why = bold(f"{_capital(first)}{colon.strip() or '.'}") + (f" {rest}" if rest else "")
    more = Words()
    if plan.get("fits"):
        more = "Starts at once with " + code(str(plan["fits"]))
    if (plan.get("ahead") or {}).get("count"):
        more = joined([say(f"{counted(plan['ahead']['count'], 'experiment is', 'experiments are')} ahead"), more])
    return [Reason(why, muted(more))]


def _capital(text: str) -> str:
    """Return a sentence with a capital letter, but the name of a replica as it is."""
    word = text.partition(" ")[0]
    return text if "-" in word or not word.isalpha() else text[:1].upper() + text[1:]


def _ending(known: Document) -> Words:
    replicas = detail_of(known).get("replicas") or ()
    ended = [one["name"] for one in replicas if one["status"] in ("Succeeded", "Failed", "Stopped")]
    going = [one["name"] for one in replicas if one["name"] not in ended]
    return joined(
        [say(f"{_few(ended)} ended" if ended else ""), say(f"{_few(going)} still running" if going and ended else "")]
    )


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _attempts(known: Document) -> list[Block]:
    """Return a line for each attempt that was given up, and one for that which runs."""
    found = detail_of(known).get("attempts") or ()
    if len(found) < 2:
        return []
    rows = [
        (str(one["state"]), f"Attempt {one['attempt']}", clean(one.get("message") or one["state"])) for one in found
    ]
    drawn = "".join(
        f"<div>{icon(state, 14)} &nbsp;<b>{name}</b> &nbsp;{muted(text).html}</div>" for state, name, text in rows
    )
    box = f"margin-top:8px;padding:6px 10px;border-radius:3px;background:{TINT}"
    return [Raw(f'<div style="{box}">{drawn}</div>', [f"{drawn_as(one[0]).glyph} {one[1]}  {one[2]}" for one in rows])]


def _progress(known: Document, scene: Scene) -> list[Block]:
    found = detail_of(known).get("progress") or {}
    percent, seconds = found.get("percent"), found.get("etaSeconds")
    if percent is None and not found.get("label"):
        return []
    left = ""
    if seconds is not None and (percent or 0.0) >= LEAST_PERCENT and not scene.away:
        left = f"about {duration(seconds)} left"
    if (found.get("stalledSeconds") or 0) > 60:
        left = f"has not moved for {duration(found['stalledSeconds'])}"
    colour = GREY if scene.away else drawn_as(state_of(known)).colour
    return [Progress(percent, say(str(found.get("label") or "")), say(left), colour)]


def _going_on(known: Document, scene: Scene) -> list[Block]:
    blocks = _progress(known, scene)
    found = measures(scene.series)
    if found:
        blocks.append(tiles(found, GREY if scene.away else drawn_as(state_of(known)).colour))
    shown = scene.shown
    if state_of(known) in ("Running", "Stopping") and (scene.waits or shown.lines or shown.bars) and not scene.away:
        blocks.append(Log(say("Last lines"), list(shown.lines)[-LAST_LINES:], _bars(shown.bars), rows=LAST_LINES))
    return blocks


def _bars(bars: Sequence[Line]) -> list[Line]:
    more = len(bars) - MOST_BARS
    return [*bars[:MOST_BARS], *([("", f"and {more} more")] if more > 0 else [])]


def _ended(known: Document, scene: Scene) -> list[Block]:
    found = measures(scene.series)
    state, blocks = state_of(known), list[Block]()
    if found and state == "Succeeded" and len(found[0].values) > 1:
        blocks.append(result(found))
    elif found:
        blocks.append(tiles(found, drawn_as(state).colour if state == "Succeeded" else GREY))
    shown = scene.shown
    if not shown.lines and not shown.tail:
        return blocks
    gap, title = Words(), f"Log · {counted(shown.total, 'line')}" if shown.total else "Last lines"
    if shown.left_out:
        gap = left_out(known, shown)
    blocks.append(Log(say(title), shown.lines, gap=gap, tail=shown.tail))
    return blocks


def left_out(known: Document, shown: Shown) -> Words:
    """Return how many lines are not shown, and what shows them."""
    size = shown.left_bytes
    room = f" ({size / 1e6:.1f} MB)" if size >= 1e5 else ""
    what = f"{counted(shown.left_out, 'line')}"
    command = code(f"%submarine logs {short(known['experimentId'])}")
    return "… " + bold(what) + f"{room} left out; nothing is lost: " + command


def _detached(known: Document) -> Block:
    number = short(known["experimentId"])
    back = (
        "Come back: " + code(f"%submarine status {number}") + " shows it, " + code(f"%submarine wait {number}")
        + " waits for its end, " + code(f"%submarine stop {number}") + " stops it."
    )  # fmt: skip
    return Reason(bold("This cell no longer waits; the experiment goes on."), back)


def _commands(known: Document, scene: Scene) -> Words:
    """Return what can be done now."""
    number, state = short(known["experimentId"]), state_of(known)
    all_lines = code(f"%submarine logs {number}")
    if scene.away or scene.detached:
        return Words()
    if state == "Succeeded":
        shown = scene.shown
        is_whole = shown.total and not shown.left_out
        total = f"all {counted(shown.total, 'line')}: " if shown.total else "all lines: "
        compare = code(f"%submarine compare {number}") if scene.series else Words()
        return joined([compare, Words() if is_whole else total + all_lines])
    if state == "Stopping":
        return "all lines: " + all_lines
    if state in ("Failed", "Stopped"):
        return joined(["run again: " + code(f"%submarine rerun {number}"), "all lines: " + all_lines])
    if not scene.waits:
        return joined([code(f"%submarine wait {number}"), code(f"%submarine stop {number}")])
    if state in ("Running", "Starting"):
        return "Interrupt the kernel to stop waiting; the experiment goes on. All lines: " + all_lines
    stop = code(f"%submarine stop {number}")
    return "Interrupt the kernel to stop waiting; the experiment stays in the queue. " + stop + " takes it out."
