"""What stands behind an option: numbers, times, names with values. Each reader raises argparse.ArgumentTypeError."""

from __future__ import annotations

import difflib
from argparse import ArgumentTypeError
from collections.abc import Iterable

from submarine_jupyter.spec import durations
from submarine_jupyter.spec.params import Value, read
from submarine_jupyter.spec.vocabulary import FRAMEWORKS, Status

STATUSES = tuple(str(status) for status in Status if status is not Status.DELETED)


def duration(text: str) -> int:
    """Return seconds for ``90``, ``90s``, ``10m``, ``2h`` or ``1d``."""
    found = durations.seconds(f"{text}s" if text[-1:].isdecimal() else text)
    if found is None:
        raise ArgumentTypeError(f"{text!r} is not a time like 90, 10m, 2h or 1d")
    return found


def count(text: str) -> int:
    """Return a whole number that is not negative."""
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def assignment(text: str) -> tuple[str, str]:
    """Return name and value of ``NAME=VALUE``."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE")
    return name, value


def parameter(text: str) -> tuple[str, Value]:
    """Return name and value of ``NAME=VALUE``, a number where it is one."""
    name, value = assignment(text)
    return name, read(value)


def framework(text: str) -> str:
    """Return the framework's name as it is written, for any case."""
    for name in FRAMEWORKS:
        if name.lower() == text.lower():
            return name
    raise ArgumentTypeError(f"{text!r} is not one of {', '.join(FRAMEWORKS)}{meant(text, FRAMEWORKS)}")


def statuses(text: str) -> str:
    """Return names of statuses, several with commas between."""
    known = {name.lower() for name in STATUSES}
    for part in text.split(","):
        if part.strip().lower() == "stopped":
            raise ArgumentTypeError("stopped experiments are listed as Failed: --status Failed")
        if part.strip().lower() not in known:
            raise ArgumentTypeError(f"{part!r} is not one of {', '.join(STATUSES)}{meant(part, STATUSES)}")
    return text


def variable(text: str) -> str:
    """Return the name of a Python variable."""
    if not text.isidentifier():
        raise ArgumentTypeError(f"{text!r} is not the name of a variable")
    return text


def meant(word: str, known: Iterable[str]) -> str:
    """Return ``, did you mean 'run'?`` for the known word that is nearest, nothing where none is near."""
    lower = {name.lower().lstrip("-"): name for name in known}
    word = word.lstrip("-")
    close = difflib.get_close_matches(word.lower(), lower, n=1, cutoff=0.6)
    return f", did you mean {lower[close[0]]!r}?" if close else ""
