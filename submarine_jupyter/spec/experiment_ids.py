"""The id of an experiment: ``experiment-<start of the server's instance in ms>-<number>``, at least four digits.

What looks like one may become part of a path, of a URL and of names on a cluster; nothing else may.
"""

from __future__ import annotations

import re

# Names on a cluster that are made from longer ones would not fit.
PATTERN = r"experiment-[0-9]{1,15}-[0-9]{4,9}"
BEGINNING = re.compile(PATTERN)
_PARTS = re.compile(r"experiment-([0-9]{1,15})-([0-9]{4,9})")


def is_id(text: str) -> bool:
    """Return whether a text is a whole id."""
    return BEGINNING.fullmatch(text) is not None


def at_start(name: str) -> str | None:
    """Return the id that a name begins with: that of a pod is the id, its role and its index."""
    found = BEGINNING.match(name)
    return found[0] if found else None


def make(start_ms: int | str, number: int) -> str:
    """Return the id of the experiment with this number, counted since an instance started (Unix time in ms)."""
    return f"experiment-{start_ms}-{number:04d}"


def parts(experiment_id: str) -> tuple[str, int] | None:
    """Return the start and the number in an id, None for what is none."""
    found = _PARTS.fullmatch(experiment_id)
    return (found[1], int(found[2])) if found else None
