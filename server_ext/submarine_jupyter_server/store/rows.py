"""What is read from the experiment table, and what is put in."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, literal, select
from sqlalchemy.sql.elements import ColumnElement

from submarine_jupyter.models import Status

from .tables import experiment

# Along a life; no observation leads back. Both ends have the same rank, so neither follows the other.
RANK: dict[str, int] = {
    Status.ACCEPTED: 0,
    Status.CREATED: 1,
    Status.RUNNING: 2,
    Status.SUCCEEDED: 3,
    Status.FAILED: 3,
    Status.DELETED: 4,
}
FINAL_RANK = RANK[Status.SUCCEEDED]
MOST_NOTES = 50


Among = Callable[[ColumnElement[int]], ColumnElement[bool]]
"""Make the condition that the number of an experiment is among those wanted."""


@dataclass(frozen=True, slots=True)
class NewExperiment:
    """An experiment to be stored: ``spec`` is its whole JSON text, ``wire_spec`` the one that may be shown.

    ``replicas`` is how many it asks for.
    """

    id: str
    uid: str
    owner: str
    target: str
    namespace: str
    name: str
    framework: str
    spec: str
    wire_spec: str
    accepted: int
    tags: Sequence[str] = ()
    list_spec: str | None = None
    replicas: int = 0


@dataclass(frozen=True, slots=True)
class ListRow:
    """An experiment as a list shows it: without its whole spec, and without the texts of its code.

    Times are milliseconds since the epoch; accepted <= created <= running <= finished where they are set.
    """

    seq: int
    id: str
    uid: str
    owner: str
    target: str
    namespace: str
    name: str
    framework: str
    status: str
    reason: str | None
    message: str | None
    notes: tuple[str, ...]
    generation: int
    attempt: int
    replicas: int
    accepted: int
    created: int | None
    running: int | None
    finished: int | None
    stop_requested: int | None
    deleted: int | None
    wire_spec: str


@dataclass(frozen=True, slots=True)
class ExperimentRow(ListRow):
    """An experiment, whole: ``spec`` has its secrets, ``applied`` what the target has taken if that is less.

    ``restored``: it was written again from a record that lacks secret values and code, and so does ``spec``.
    """

    spec: str
    applied: str | None
    restored: bool


_SHARED = tuple(experiment.c[name] for name in ListRow.__dataclass_fields__)
# Without any spec: read quickly by the thousand.
SLIM = (*_SHARED[:-1], literal("").label("wire_spec"))
LISTED = (*_SHARED[:-1], func.coalesce(experiment.c.list_spec, experiment.c.wire_spec))
WHOLE = (*_SHARED, experiment.c.spec, experiment.c.applied, experiment.c.restored)
# Made once: to put a statement together takes as long as to carry it out.
_BY_ID = select(*WHOLE).where(experiment.c.id == bindparam("of"))
_BY_SEQ = select(*WHOLE).where(experiment.c.seq == bindparam("of"))
_NOTES = list(ListRow.__dataclass_fields__).index("notes")


def listed(values: Row[Any]) -> ListRow:
    """Return a row from the values of ``LISTED`` or ``SLIM``."""
    fields: list[Any] = list(values)
    fields[_NOTES] = _notes(fields[_NOTES])
    return ListRow(*fields)


def whole(values: Row[Any]) -> ExperimentRow:
    """Return a row from the values of ``WHOLE``."""
    fields: list[Any] = list(values)
    fields[_NOTES] = _notes(fields[_NOTES])
    return ExperimentRow(*fields)


def by_id(tx: Connection, experiment_id: str) -> ExperimentRow | None:
    """Return the row of an experiment, also of a deleted one; None if there is none."""
    found = tx.execute(_BY_ID, {"of": experiment_id}).first()
    return None if found is None else whole(found)


def by_seq(tx: Connection, seq: int) -> ExperimentRow:
    """Return the row that has a number."""
    return whole(tx.execute(_BY_SEQ, {"of": seq}).one())


def _notes(text: str) -> tuple[str, ...]:
    if text == "[]":
        return ()
    try:
        return tuple(json.loads(text))
    except ValueError:
        # The disk has altered it; the experiment can be shown without.
        return ()
