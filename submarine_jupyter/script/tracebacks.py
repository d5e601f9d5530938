"""Lines of a traceback as the writer of the cell knows his code: the cell and its line, files by their own names."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from submarine_jupyter.client.following import Item

SCRIPT = "train.py"  # the file that a cell becomes
# Where code lies on this machine, and on a cluster.
_PLACE = r"(?:/(?:[^\"\n]*/)?experiment-[0-9]+-[0-9]+/[0-9]+/code|/code)/"
_FRAME = re.compile(rf'File "{_PLACE}([^"\n]+)"')
_OWN_LINE = re.compile(rf'File "({_PLACE}[^"\n]+)", line ([0-9]+)')
_WHERE = re.compile(rf"{_PLACE}([^\n]+):([0-9]+)")

_FIRST_ERROR = re.compile(rf"(?<=, in ){_PLACE}[^\n]+:[0-9]+(?=\)$)", re.MULTILINE)


def as_written(text: str, cell: str | None) -> str:
    """Return output with the files of the experiment's code under their own names, its script as ``cell`` if known."""
    if "/code/" not in text:
        return text
    return _FRAME.sub(lambda frame: _named(frame[1], cell), text)


def reason_as_written(text: str) -> str:
    """Return why an experiment failed with the files of its code under their own names."""
    return as_written(_FIRST_ERROR.sub(lambda where: place(where[0], None), text), None)


def place(where: str, cell: str | None) -> str:
    """Return ``FILE:17``, such as the server names the line that failed, as its writer knows it."""
    found = _WHERE.fullmatch(where)
    name, line = (found[1], found[2]) if found else where.rpartition(":")[::2]
    return f"{cell}, line {line}" if cell is not None and found and name == SCRIPT else f"{name}, line {line}"


def innermost(text: str, cell: str | None) -> str | None:
    """Return the last line of the experiment's own code that a traceback names, None if there is none."""
    frames = _OWN_LINE.findall(text)
    return place(":".join(frames[-1]), cell) if frames else None


def all_as_written(items: Iterable[Item], cell: str | None) -> Generator[Item]:
    """Yield what a followed log brings, its lines ``as_written``."""
    from submarine_jupyter.client.following import Lines

    try:
        for item in items:
            if isinstance(item, Lines):
                yield replace(item, lines=tuple(as_written(line, cell) for line in item.lines))
            else:
                yield item
    finally:
        if isinstance(items, Generator):
            items.close()


def _named(name: str, cell: str | None) -> str:
    return cell if cell is not None and name == SCRIPT else f'File "{name}"'
