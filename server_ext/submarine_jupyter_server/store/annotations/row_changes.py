"""Which rows of experiments have changed since a moment, by the numbers that changes have.

Most changes are events or metrics, which are numbered. The rest has numbers of its own: ``touch`` gives one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlalchemy import Connection, and_, bindparam, delete, func, insert, select
from sqlalchemy.sql.elements import ColumnElement

from submarine_jupyter.errors import InvalidRequest
from submarine_jupyter_server.store.curves import following
from submarine_jupyter_server.store.tables import event, metric, row_change

# Beyond so many it is quicker to read all rows than to find out which have changed.
_MOST_CHANGED, _MOST_METRICS = 5_000, 50_000
_PLACE = re.compile(r"([0-9]{1,18})\.([0-9]{1,18})\.([0-9]{1,18})")
# Made once: to put a statement together takes as long as to carry it out.
_LAST = select(*(select(func.max(table.c.seq)).scalar_subquery() for table in (event, metric, row_change)))
_UNTOUCH = delete(row_change).where(row_change.c.experiment_id == bindparam("of"))
_TOUCH = insert(row_change)


@dataclass(frozen=True, slots=True)
class Place:
    """How far the changes of experiments are known: the numbers of the last event, of the last metric, of the rest."""

    event: int
    metric: int
    rest: int = 0

    def __str__(self) -> str:
        return f"{self.event}.{self.metric}.{self.rest}"

    @classmethod
    def parse(cls, text: str) -> Place:
        """Read what ``str`` returned. Raises InvalidRequest."""
        if (match := _PLACE.fullmatch(text)) is None:
            raise InvalidRequest(f"after: {text[:80]!r} is not a cursor of this stream; leave it out to begin anew.")
        return cls(int(match[1]), int(match[2]), int(match[3]))

    def covers(self, other: Place) -> bool:
        """Return whether nothing is known at the other place that is not known here."""
        return self.event >= other.event and self.metric >= other.metric and self.rest >= other.rest


def place(tx: Connection) -> Place:
    """Return how far it goes now."""
    return Place(*(last or 0 for last in tx.execute(_LAST).one()))


def touch(tx: Connection, experiment_id: str) -> None:
    """Note that the row of an experiment has changed by what is neither an event nor a metric."""
    tx.execute(_UNTOUCH, {"of": experiment_id})
    tx.execute(_TOUCH, {"experiment_id": experiment_id})


def changed(tx: Connection, after: Place, until: Place, *, bounded: bool) -> list[str] | None:
    """Return the experiments that have changed between two places; None where that is not known, or are too many.

    ``bounded``: they may be far apart. Then events between them may be gone, and there may be so many metrics that it
    is quicker to read all rows.
    """
    if not until.covers(after) or (bounded and _far(tx, after, until)):
        return None
    found = dict.fromkeys(
        [
            *_ids(tx, event.c.experiment_id, event.c.seq, after.event, until.event),
            *following.moved(tx, after.metric, until.metric),
            *_ids(tx, row_change.c.experiment_id, row_change.c.seq, after.rest, until.rest),
        ]
    )
    return list(found) if len(found) <= _MOST_CHANGED else None


def _far(tx: Connection, after: Place, until: Place) -> bool:
    oldest = tx.execute(select(func.min(event.c.seq))).scalar()
    # Without any event nobody knows whether there has been one.
    forgotten = oldest is None or (after.event + 1 < oldest and after.event < until.event)
    return forgotten or until.metric - after.metric > _MOST_METRICS


def _ids(tx: Connection, column: ColumnElement[str], number: ColumnElement[int], after: int, until: int) -> list[str]:
    between = and_(number > after, number <= until)
    return list(tx.execute(select(column).where(between).distinct().limit(_MOST_CHANGED + 1)).scalars())
