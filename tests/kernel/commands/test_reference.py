"""The page ``docs/commands.md`` says what the commands are; UPDATE_GOLDEN=1 writes it again."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

from submarine_jupyter.commands.command import Argument, Command
from submarine_jupyter.commands.grammar import Grammar

PAGE = Path(__file__).parents[3] / "docs" / "commands.md"
HEAD = """# Commands

The words of `%submarine`, of `%%submarine` (above a cell: `run` and `sweep`) and of the command line
`submarine-jupyter`, which are the same. [In a notebook](notebooks.md) says how they work together. Where an id is
asked, the end of it (`41`) or a name does, too.

`UPDATE_GOLDEN=1 pytest tests/kernel/commands/test_reference.py` writes this page.
"""


def page() -> str:
    """Return the reference as Markdown."""
    return "\n".join([HEAD, *map(_section, Grammar().commands.values())])


def _section(command: Command) -> str:
    width = max(len(line) for line, _ in command.examples)
    examples = [f"    {line:{width}}   # {what}" for line, what in command.examples]
    shown = [one for one in command.arguments if one.how["help"] != argparse.SUPPRESS]
    rows = [f"| `{_in_a_cell(_usage(one))}` | {_meaning(one)} |" for one in shown]
    table = ["| argument | meaning |", "| --- | --- |", *rows, ""] if rows else []
    about = [*command.about.splitlines(), ""] if command.about else []
    title = f"{command.summary[0].upper()}{command.summary[1:]}."
    return "\n".join([f"## {command.name}", "", title, "", *examples, "", *table, *about])


def _in_a_cell(text: str) -> str:
    return text.replace("|", "\\|")


def _usage(one: Argument) -> str:
    value = one.how.get("metavar") or ("" if "action" in one.how else one.names[-1].lstrip("-").upper())
    if not one.names[0].startswith("-"):
        shown = str(one.how.get("metavar") or one.names[0])
        nargs = one.how.get("nargs")
        return f"[{shown} ...]" if nargs == "*" else f"[{shown}]" if nargs == "?" else shown
    needs = one.how.get("action") in (None, "append")
    return ", ".join(one.names) + (f" {value or one.names[-1].lstrip('-').upper()}" if needs else "")


def _meaning(one: Argument) -> str:
    return _in_a_cell(str(one.how["help"]).replace("%%", "%"))


def _lines(text: str) -> Iterator[str]:
    yield from (line.rstrip() for line in text.splitlines())


def test_the_page_is_what_the_grammar_says() -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_text("\n".join(_lines(page())).rstrip() + "\n", encoding="utf-8")
    assert list(_lines(PAGE.read_text(encoding="utf-8"))) == list(_lines(page().rstrip()))
