"""Why an experiment has failed, on its card: the error first, then where it is, then the code around it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import Any

from submarine_jupyter.display.card.drawing.blocks import MONO, Block, Raw, Reason
from submarine_jupyter.display.card.drawing.icons import TINT, drawn_as, icon
from submarine_jupyter.display.card.drawing.values import LONGEST_LINE, clean, cut, printable, short
from submarine_jupyter.display.card.drawing.words import MUTED, Words, bold, code, joined, muted, say
from submarine_jupyter.display.card.facts import Document, detail_of

# The innermost line of code, such as "/data/work/experiment-1-0001/1/code/train.py:17".
_PLACE = re.compile(r"(?:.*/)?(?P<file>[^:/]+):(?P<line>\d+)$")
SCRIPT = "train.py"  # the file that a cell becomes
MOST_REPLICAS = 4


def failure_blocks(known: Document, cell: str = "") -> list[Block]:
    """Return the blocks that say why it has failed; ``cell`` is what people call the script, if it was a cell."""
    detail = detail_of(known)
    first = detail.get("firstError") or {}
    message = clean(str(detail.get("message") or "no reason is known").partition("\n")[0].removesuffix("; last lines:"))
    if first.get("text") and detail.get("reason") != "OOMKilled":
        text, place = clean(first["text"]), _PLACE.search(str(first.get("where") or ""))
        where = "in " + bold(f"{_called(known, place['file'], cell)}, line {place['line']}") if place else Words()
        blocks: list[Block] = [Reason(bold(text), joined([where, muted(message)]))]
        return [*blocks, *_around(known, place)]
    head, colon, rest = message.partition(": ")
    more = muted(" ".join(detail.get("notes") or ()))
    if detail.get("reason") == "OOMKilled":
        more = (
            "Give it more: "
            + code(f"%submarine rerun {short(known['experimentId'])} --memory …")
            + ", or take a smaller batch."
        )
    return [Reason(bold(head + colon.strip()) + (f" {rest}" if rest else ""), more), *_replicas(detail)]


def _called(known: Document, file: str, cell: str) -> str:
    files = (known["spec"].get("code") or {}).get("files") or {}
    return cell if cell and file == SCRIPT and file in files else file


def _around(known: Document, place: re.Match[str] | None) -> list[Block]:
    """Return the lines of the cell around the one that failed, if it travelled with the experiment."""
    files = (known["spec"].get("code") or {}).get("files") or {}
    source = files.get(place["file"]) if place else None
    if place is None or not isinstance(source, str):
        return []
    at = int(place["line"])
    lines = source.splitlines()
    if not 0 < at <= len(lines):
        return []
    numbers = range(max(1, at - 2), min(len(lines), at + 1) + 1)
    shown = [(number, cut(printable(lines[number - 1]), LONGEST_LINE)) for number in numbers]
    wide = len(str(numbers[-1]))
    rows = "\n".join(
        f'<span style="{MUTED}">{"→" if number == at else " "} {number:>{wide}}</span>  '
        + (f"<b>{escape(text)}</b>" if number == at else escape(text))
        for number, text in shown
    )
    box = f"margin-top:8px;padding:6px 10px;background:{TINT};border-radius:3px"
    text_rows = [f"{'→' if number == at else ' '} {number:>{wide}}  {text}" for number, text in shown]
    return [Raw(f'<div style="{box}"><pre style="{MONO}">{rows}</pre></div>', text_rows)]


def _replicas(detail: dict[str, Any]) -> list[Block]:
    """Return how each replica has ended, where there are several."""
    found: Sequence[dict[str, Any]] = detail.get("replicas") or ()
    if len(found) < 2:
        return []
    first = sorted(found, key=lambda one: (one["status"] != "Failed", one["finishedTime"] or "~"))
    rows = [(str(one["status"]), say(str(one["name"])), say(_end(one))) for one in first[:MOST_REPLICAS]]
    drawn = "".join(f"<div>{icon(state, 14)} &nbsp;{name.html} {muted(end).html}</div>" for state, name, end in rows)
    more = len(found) - len(rows)
    extra = [f"and {more} more"] if more else []
    drawn += f"<div>{muted(extra[0]).html}</div>" if extra else ""
    text = [f"{drawn_as(state).glyph} {name.text}  {end.text}" for state, name, end in rows]
    return [Raw(f'<div style="margin-top:8px">{drawn}</div>', [*text, *extra])]


def _end(one: dict[str, Any]) -> str:
    if one["exitCode"] is not None:
        return f"exit code {one['exitCode']}"
    return f"ended by {one['signal']}" if one["signal"] else clean(one["reason"] or one["status"], 60)
