"""What the first word of ``run`` names: a program with its words, or a spec in a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from submarine_jupyter.commands.sending.spec_file import Json, read_spec
from submarine_jupyter.errors import UsageError

# What runs a file, by its ending.
PROGRAMS = {".py": "python", ".sh": "bash"}
_SPECS = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class Given:
    """A spec, or a ``program`` (a path) with the ``words`` behind ``--``; neither where the cell says it all."""

    spec: Json | None = None
    program: str | None = None
    words: tuple[str, ...] = ()


def read_what(what: str | None, words: Sequence[str] | None, cmd: str | None) -> Given:
    """Return what a line names. Raises UsageError."""
    kind = Path(what or "").suffix.lower()
    if what is None or kind not in PROGRAMS:
        if words is not None:
            raise UsageError("What stands behind -- are the words of a program: %submarine run train.py -- --lr 0.1")
        if what is None:
            return Given()
        return Given(spec=read_spec(_spec(what, kind, cmd)))
    if cmd is not None:
        raise UsageError(f"Give the program or --cmd, not both: --cmd '{cmd} {what}' runs it so")
    if not Path(what).expanduser().is_file():
        raise UsageError(f"There is no program {what!r} in this folder")
    return Given(program=what, words=tuple(words or ()))


def _spec(name: str, kind: str, cmd: str | None) -> str:
    if kind == ".ipynb":
        raise UsageError(f"{name} is a notebook, not a spec: --cmd 'jupyter nbconvert --execute --to notebook {name}'")
    if not Path(name).exists():
        if cmd is not None:
            raise UsageError(f"There is no spec file {name!r}; to run a command, quote all of it: --cmd '{cmd} {name}'")
        if kind not in _SPECS:
            raise UsageError(f"There is no spec file {name!r}; to run a command: --cmd '{name}'")
    return name
