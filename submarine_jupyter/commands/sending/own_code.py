"""What of the writer's code travels with an experiment, and the command that runs it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from submarine_jupyter.commands.sending.given import PROGRAMS, Given
from submarine_jupyter.commands.sending.spec_file import read_bytes
from submarine_jupyter.commands.sending.surroundings import Surroundings
from submarine_jupyter.errors import UsageError
from submarine_jupyter.script import syntax
from submarine_jupyter.script.tracebacks import SCRIPT


@dataclass(frozen=True, slots=True)
class Code:
    """Text files by name, which replicas find in ``$CODE_PATH``, and the command that runs them."""

    files: dict[str, str]
    cmd: str


def sent(
    given: Given, body: str | None, cmd: str | None, here: Surroundings, *, local: bool, in_folder: bool
) -> Code | None:
    """Return the code that travels: a cell, or a program where replicas do not start beside it (``in_folder``).

    ``cmd`` is the command that is given with a cell. None where nothing travels.
    Raises UsageError, also for a cell that is no Python.
    """
    if body is not None:
        if given.program is not None:
            raise UsageError(f"The cell is the script: leave {given.program} out, or write %submarine run with one %")
        text = _checked(body, here.cell) if is_script(given, cmd) else body
        python = shlex.quote(here.python) if local else "python"
        return Code({SCRIPT: text}, f'{python} "$CODE_PATH/{SCRIPT}"')
    if given.program is None or in_folder:
        return None
    name = Path(given.program).name
    try:
        text = read_bytes(given.program).decode()
    except UnicodeDecodeError:
        raise UsageError(f"{given.program} cannot be sent: it is not text in UTF-8") from None
    return Code({name: text}, command(name, given.words, folder='"$CODE_PATH"/'))


def is_script(given: Given, cmd: str | None) -> bool:
    """Return whether the body of a cell is run by Python: another command may take it for anything."""
    return not (cmd or ((given.spec or {}).get("meta") or {}).get("cmd"))


def _checked(body: str, cell: str) -> str:
    syntax.check(body, cell)
    return syntax.script_of(body)


def command(program: str, words: Sequence[str], folder: str = "") -> str:
    """Return the command that runs a program; a shell takes each of its ``words`` as it is."""
    name = PROGRAMS[Path(program).suffix.lower()]
    return " ".join([name, f"{folder}{shlex.quote(program)}", *map(shlex.quote, words)])
