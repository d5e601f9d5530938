"""What a command is, as a table: its words, its arguments, examples, and the function that carries it out."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from submarine_jupyter.commands.session import Session

Act = Callable[["Session", argparse.Namespace], Any]


@dataclass(frozen=True, slots=True)
class Argument:
    """An option with its names, or a word at a place; ``how`` is what argparse is given.

    ``values`` are the words that can stand there, ``used`` of what those of known experiments can: their ``tags``,
    ``group``, ``target``, ``params`` or ``metrics``; ``experiments`` says that ids and names of experiments can.
    """

    names: tuple[str, ...]
    how: Mapping[str, Any]
    values: tuple[str, ...] = ()
    used: tuple[str, ...] = ()
    experiments: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """A command of ``%submarine``. Each example is a line with what it does; ``about`` is help beyond one line.

    ``takes_cell``: it can stand above a cell. ``takes_program``: words behind ``--`` are those of a program.
    """

    name: str
    summary: str
    act: Act
    arguments: tuple[Argument, ...] = ()
    examples: tuple[tuple[str, str], ...] = ()
    about: str = ""
    takes_cell: bool = False
    takes_program: bool = False


def argument(
    *names: str, values: Iterable[str] = (), used: Iterable[str] = (), experiments: bool = False, **how: Any
) -> Argument:
    """Return an argument."""
    return Argument(names, how, tuple(values), tuple(used), experiments)
