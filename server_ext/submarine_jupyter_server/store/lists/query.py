"""Which experiments a list shows: what is asked for, before any of it is checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .conditions import Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which experiments, in which order.

    Several ``statuses`` mean any of them, several ``tags`` all of them; a ``name`` that ends in ``*`` is the beginning
    of a name; all ``conditions`` hold, it was accepted at ``since`` (ms) or later, and has each word of ``words``.
    ``archived`` and ``pinned`` mean those that are, those that are not, or None: both.
    ``sort`` is accepted, name, status, finished, ``param.NAME`` or ``metric.NAME``, from high to low after a ``-``;
    what has not finished counts as low, and what has no such value comes last.
    Accepted means the order of acceptance, whatever the clock did.
    """

    statuses: Sequence[str] = ()
    name: str | None = None
    tags: Sequence[str] = ()
    framework: str | None = None
    target: str | None = None
    owner: str | None = None
    namespace: str | None = None
    conditions: Sequence[Condition] = ()
    since: int | None = None
    words: str | None = None
    notebook: str | None = None
    group: str | None = None
    archived: bool | None = False
    pinned: bool | None = None
    sort: str = "-accepted"
    limit: int = 1000
    cursor: str | None = None
