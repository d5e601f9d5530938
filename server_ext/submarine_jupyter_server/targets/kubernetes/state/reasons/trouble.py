"""A cause why something does not run, and its sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from submarine_jupyter_server.logs.lines.view import shown

SENTENCE = 300
_PART = 180
_LINES, _LINE = 10, 300
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")


class Rank(IntEnum):
    """How bad a trouble is: the worst comes first."""

    ENDED = 0  # it ran, and failed
    NEVER = 1  # it will not run before somebody changes something
    BLOCKED = 2  # it may run later, or never
    WAITS = 3  # it takes its time


@dataclass(frozen=True, slots=True)
class Trouble:
    """One trouble: a CamelCase word, a sentence, and the last lines of the replica if there are any."""

    rank: Rank
    reason: str
    sentence: str
    lines: str = ""

    @property
    def message(self) -> str:
        """Return all there is to say."""
        return _message(self.sentence, self.lines)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why an experiment does not run, or failed: a CamelCase word and a sentence, with last lines behind it."""

    reason: str
    message: str


def diagnosis_of(troubles: Sequence[Trouble]) -> Diagnosis | None:
    """Return the worst of the troubles of several replicas, and how many others have one too."""
    if not troubles:
        return None
    first, *rest = sorted(troubles, key=lambda trouble: trouble.rank)
    same = sum(other.reason == first.reason for other in rest)
    other = sum(other.reason != first.reason and other.rank < Rank.WAITS for other in rest)
    sentence = cut(first.sentence, SENTENCE - 80 * bool(same or other))
    if same:
        sentence += f"; and {_more(same)}"
    if other:
        sentence += f"; {_more(other)} {'have other troubles' if other > 1 else 'has another trouble'}"
    return Diagnosis(first.reason, _message(sentence, first.lines))


def cut(text: str, longest: int = _PART) -> str:
    """Return a text in one line and without control characters, cut if it is too long."""
    line = flat(text[: 4 * longest])
    return line if len(line) <= longest else f"{line[: longest - 1].rstrip()}…"


def flat(text: str) -> str:
    """Return a text in one line and without control characters."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(text.split())


def last_lines(text: str) -> str:
    """Return the last lines of an output as plain text; of a progress bar its last state."""
    lines = [_COLOUR.sub("", shown(line)) for line in text.encode(errors="replace").split(b"\n")]
    plain = ["".join(c for c in line if c.isprintable() or c == "\t").rstrip() for line in lines]
    return "\n".join([line[:_LINE] for line in plain if line][-_LINES:])


def _more(count: int) -> str:
    return f"{count} more replica{'s' if count > 1 else ''}"


def _message(sentence: str, lines: str) -> str:
    return f"{cut(sentence, SENTENCE)}; last lines:\n{lines}" if lines else cut(sentence, SENTENCE)
