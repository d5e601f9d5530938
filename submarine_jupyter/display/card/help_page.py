"""The card of the help: commands with what they do, in groups."""

from __future__ import annotations

from collections.abc import Sequence

from submarine_jupyter.display.card.drawing.blocks import LABEL, Block, Card, Foot, Head, Raw
from submarine_jupyter.display.card.drawing.icons import TINT
from submarine_jupyter.display.card.drawing.words import MUTED, Words, code, say

Group = tuple[str, Sequence[tuple[str, str]]]


def help_card(title: str, about: str, groups: Sequence[Group], foot: Words | None = None) -> Card:
    """Return groups of (command, what it does) below their names, such as ``("Run", [("%%submarine run", "...")])``."""
    blocks: list[Block] = [Head("help", say(title), below=say(about))]
    wide = max((len(command) for _, rows in groups for command, _ in rows), default=0)
    for name, rows in groups:
        drawn = "".join(
            '<div style="display:flex;flex-wrap:wrap;gap:0 12px;align-items:baseline;margin-top:2px">'
            f'<span style="flex:0 0 400px;max-width:100%">{code(command).html}</span> '
            f'<span style="flex:1 1 220px;{MUTED}">{say(text).html}</span></div>'
            for command, text in rows
        )
        lines = [f"  {command:{wide}}  {text}" for command, text in rows]
        blocks.append(Raw(f'<div style="{LABEL};margin-top:8px">{say(name).html}</div>{drawn}', [name.upper(), *lines]))
    if foot:
        blocks.append(Foot(foot))
    return Card("help", blocks)


def function_card(title: str, number: str, took: str, below: str, value: str, foot: Words) -> Card:
    """Return what a remote function has given: ``value`` as its ``repr``, in one line of at most 400 characters."""
    shown = say(value, 400)
    box = f"margin:8px 0 0;padding:6px 10px;background:{TINT};border-radius:3px;font-size:.92em;line-height:1.5"
    drawn = f'<pre style="{box};white-space:pre;overflow:auto"><span style="{MUTED}">→</span> {shown.html}</pre>'
    head = Head("function", say(title, 80), say(number), say("Succeeded"), say(took), say(below))
    return Card("Succeeded", [head, Raw(drawn, [f"→ {shown.text}"]), Foot(foot)])
