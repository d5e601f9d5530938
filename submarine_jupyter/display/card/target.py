"""The card of a compute target: what it has, what is free, and what waits for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from submarine_jupyter.display.card.drawing.blocks import (
    FIGURES,
    LABEL,
    Block,
    Card,
    Foot,
    Head,
    Raw,
    Reason,
    bar,
    text_bar,
)
from submarine_jupyter.display.card.drawing.icons import BLUE
from submarine_jupyter.display.card.drawing.values import LONGEST_NAME, age, clean, short
from submarine_jupyter.display.card.drawing.words import MUTED, bold, code, joined, say
from submarine_jupyter.display.card.facts import as_of_words

_KINDS = {"local": "processes on the server's machine", "kubernetes": "Kubernetes"}
_NOT_RESOURCES = ("running", "queued", "nodes", "note")


def target_card(target: Mapping[str, Any], now: datetime) -> Card:
    """Return one of the targets of ``GET target``; without ``capacity`` only what it is."""
    health = target.get("health") or {}
    is_well = bool(health.get("ok", True))
    kind = _KINDS.get(str(target["kind"]), clean(target["kind"], 40))
    namespaces = [name for name in target.get("namespaces") or () if str(target["kind"]) != "local"]
    where = joined([say(kind), say(f"namespace {', '.join(map(str, namespaces[:3]))}" if namespaces else "")])
    capacity = target.get("capacity") or {}
    running = capacity.get("running")
    below = joined(
        [
            say("default" if target.get("default") else ""),
            say(f"{running:,} running" if isinstance(running, int) else ""),
        ]
    )
    word = say("connected" if is_well else "Not reachable")
    blocks: list[Block] = [
        Head(
            "target" if is_well else "away",
            say(str(target["name"]), LONGEST_NAME),
            where,
            word,
            below=below,
            as_of=as_of_words(now),
        )
    ]
    if not is_well:
        why = str(health.get("message") or health.get("reason") or "it does not answer")
        old = target.get("age")
        blocks.append(Reason(bold(why), say(f"What follows was so {age(old)} ago." if old else "")))
    found = _resources(capacity)
    if found:
        blocks.append(Raw("".join(map(_bar, found)), _lines(found)))
    elif capacity.get("note") or target.get("note"):
        blocks.append(Reason(say(str(capacity.get("note") or target.get("note")))))
    queued = [str(one) for one in capacity.get("queued") or ()]
    if queued:
        who = ", ".join(short(one) for one in queued[:8]) + (" …" if len(queued) > 8 else "")
        waits = "experiment waits" if len(queued) == 1 else "experiments wait"
        blocks.append(Reason(bold(f"{len(queued):,} {waits} here:") + f" {who}", state="Waiting"))
    default = "" if target.get("default") else f" --target {target['name']}"
    blocks.append(Foot("What would start now: " + code(f"%submarine run --dry-run{default} …")))
    return Card("target" if is_well else "away", blocks)


class _Resource:
    """One resource of a target: its name, how much is used of how much, in a unit."""

    def __init__(self, name: str, known: Mapping[str, Any]) -> None:
        is_memory = name == "memory"
        scale = 2.0**30 if is_memory else 1.0
        self.unit = " GiB" if is_memory else ""
        self.name = {"cpu": "CPU", "memory": "Memory", "nvidia.com/gpu": "GPU"}.get(name, clean(name, LONGEST_NAME))
        self.total = float(known["total"]) / scale
        self.free = max(0.0, float(known.get("free") or 0.0) / scale)
        self.used = float(known.get("used", known["total"] - (known.get("free") or 0.0)) or 0.0) / scale

    @property
    def percent(self) -> float:
        return round(min(100.0, self.used / self.total * 100), 1) if self.total else 0.0


def _resources(capacity: Mapping[str, Any]) -> list[_Resource]:
    first = ("cpu", "memory", "nvidia.com/gpu")
    names = [*(name for name in first if name in capacity), *(name for name in capacity if name not in first)]
    known = ((name, capacity[name]) for name in names if name not in _NOT_RESOURCES)
    return [_Resource(name, one) for name, one in known if isinstance(one, Mapping) and one.get("total")]


def _bar(one: _Resource) -> str:
    return (
        f'<div style="display:flex;flex-wrap:wrap;gap:0 12px;align-items:baseline;margin-top:8px">'
        f'<span style="flex:0 0 76px;{LABEL}">{say(one.name).html}</span> '
        f'<span style="flex:1 1 200px;min-width:160px">{bar([(one.percent, BLUE)], 8)}</span> '
        f'<span style="flex:0 1 300px;min-width:230px;{FIGURES}"><b>{_amount(one.free)}{one.unit} free</b> of '
        f'{_amount(one.total)} <span style="{MUTED}">· used {_amount(one.used)}</span></span></div>'
    )


def _lines(found: Sequence[_Resource]) -> list[str]:
    name = max(len(one.name) for one in found)
    free = max(len(_amount(one.free)) for one in found)
    return [
        f"{one.name:{name}}  {text_bar(one.percent)}  "
        f"{_amount(one.free):>{free}} free of {_amount(one.total)}{one.unit} · used {_amount(one.used)}"
        for one in found
    ]


def _amount(value: float) -> str:
    return f"{value:,.1f}".rstrip("0").rstrip(".")
