"""``--param`` of a sweep: ``lr=0.01,0.1``, ``lr=log(1e-5,1e-1,8)``, ``layers=1..5``, and their combinations."""

from __future__ import annotations

import math
import re
from argparse import ArgumentTypeError
from collections.abc import Mapping, Sequence

from submarine_jupyter.commands.values import assignment
from submarine_jupyter.errors import UsageError
from submarine_jupyter.spec.params import Value, read

MOST_TRIALS = 1000
DIGITS = 6
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_SPACED = re.compile(rf"(log|lin)\(\s*({_NUMBER})\s*,\s*({_NUMBER})\s*,\s*(\d{{1,4}})\s*\)")
_RANGE = re.compile(r"([+-]?\d{1,9})\.\.([+-]?\d{1,9})(?:\.\.(\d{1,9}))?")


def swept(text: str) -> tuple[str, list[Value]]:
    """Return name and values of ``lr=0.01,0.1``. Raises ArgumentTypeError."""
    name, written = assignment(text)
    if (spaced := _SPACED.fullmatch(written)) is not None:
        return name, _spaced(text, spaced[1], float(spaced[2]), float(spaced[3]), int(spaced[4]))
    if (steps := _RANGE.fullmatch(written)) is not None:
        return name, _range(text, int(steps[1]), int(steps[2]), int(steps[3] or 1))
    if re.match(r"(?:log|lin)\(", written):
        raise ArgumentTypeError(f"{text!r}: write log(FROM,TO,HOW_MANY), such as log(1e-5,1e-1,8)")
    values = [read(part.strip()) for part in written.split(",")]
    if "" in values:
        raise ArgumentTypeError(f"{text!r} has an empty value: write values with a comma between two of them")
    return name, values


def trials(params: Sequence[tuple[str, Sequence[Value]]]) -> list[dict[str, Value]]:
    """Return each combination of values; the last parameter changes first. Raises UsageError."""
    names = [name for name, _ in params]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"--param {twice} is given twice: write its values with commas between them")
    number = math.prod(len(values) for _, values in params)
    if number > MOST_TRIALS:
        raise UsageError(f"These are {number:,} combinations, {MOST_TRIALS:,} are the most: sweep fewer values")
    from submarine_jupyter.client.sweep import combinations

    return combinations(dict(params))


def written(params: Mapping[str, Value]) -> str:
    """Return parameters as a person reads them: ``lr=0.1 bs=32``."""
    return " ".join(f"{name}={value}" for name, value in params.items())


def _spaced(text: str, kind: str, first: float, last: float, number: int) -> list[Value]:
    if number < 2 or number > MOST_TRIALS:
        raise ArgumentTypeError(f"{text!r}: 2 to {MOST_TRIALS:,} values are possible")
    if kind == "lin":
        return [_short(first + (last - first) * step / (number - 1)) for step in range(number)]
    if first <= 0 or last <= 0:
        raise ArgumentTypeError(f"{text!r}: both ends of log(...) must be above 0")
    return [_short(first * (last / first) ** (step / (number - 1))) for step in range(number)]


def _range(text: str, first: int, last: int, step: int) -> list[Value]:
    if step < 1 or abs(last - first) // step >= MOST_TRIALS:
        raise ArgumentTypeError(f"{text!r}: 1 to {MOST_TRIALS:,} values are possible")
    return list(range(first, last + 1, step)) if first <= last else list(range(first, last - 1, -step))


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
