"""Which experiments a list shows: what is asked for, before any of it is checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which experiments, in which order.

    Several ``statuses`` mean any of them, several ``tags`` all of them; a ``name`` that ends in ``*`` is the beginning
    of a name. ``sort`` is accepted, name, status or finished, from high to low after a ``-``; what has not finished
    counts as low.
    Accepted means the order of acceptance, whatever the clock did.
    """

    statuses: Sequence[str] = ()
    name: str | None = None
    tags: Sequence[str] = ()
    framework: str | None = None
    target: str | None = None
    owner: str | None = None
    namespace: str | None = None
    sort: str = "-accepted"
    limit: int = 1000
    cursor: str | None = None
