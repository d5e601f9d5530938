"""Points as they come, of the latest attempt of some experiments: which have new ones, and these in their order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, and_, select

from submarine_jupyter.errors import InvalidRequest
from submarine_jupyter_server.store.tables import curve, experiment, meta, metric

from .numbering import last
from .points import points_of

_PLACE = re.compile(r"([0-9]{1,18})\.([0-9]{1,18})")
_BEGUN = select(meta.c.value).where(meta.c.key == "instance_start_ms")


@dataclass(frozen=True, slots=True)
class PointPlace:
    """How far points are known: the number of the last one, and of which life of the database it is.

    One that was restored from a copy begins another life: there the same number may be another point.
    """

    life: int
    seq: int

    def __str__(self) -> str:
        return f"{self.life}.{self.seq}"

    @classmethod
    def parse(cls, text: str) -> PointPlace:
        """Read what ``str`` returned. Raises InvalidRequest."""
        if (match := _PLACE.fullmatch(text)) is None:
            raise InvalidRequest(f"after: {text[:80]!r} is not a cursor of points; leave it out to begin anew.")
        return cls(int(match[1]), int(match[2]))


class NewPoint(NamedTuple):
    """A point of an experiment; ``at`` is when it was reported (ms)."""

    experiment_id: str
    attempt: int
    name: str
    replica: str
    step: int | None
    value: float | None
    at: int
    seq: int


_COLUMNS = tuple((metric if name in metric.c else curve).c[name] for name in NewPoint._fields)


def place(tx: Connection) -> PointPlace:
    """Return how far points go now."""
    return PointPlace(int(tx.execute(_BEGUN).scalar() or 0), last(tx))


def moved(tx: Connection, since: int, until: int) -> set[str]:
    """Return the experiments that have points with numbers above ``since``, up to ``until``."""
    curves = select(metric.c.curve).where(metric.c.seq > since, metric.c.seq <= until).distinct()
    return set(tx.execute(select(curve.c.experiment_id).where(curve.c.number.in_(curves)).distinct()).scalars())


def attempts(tx: Connection, ids: Sequence[str]) -> dict[str, int]:
    """Return the latest attempt of those of some experiments that are there."""
    where = (experiment.c.id.in_(ids), experiment.c.deleted.is_(None))
    return {row.id: row.attempt for row in tx.execute(select(experiment.c.id, experiment.c.attempt).where(*where))}


def new(tx: Connection, ids: Sequence[str], names: Sequence[str], since: int, limit: int) -> list[NewPoint]:
    """Return the first ``limit`` points after number ``since``, in their order; of some metrics (none: of all)."""
    where = [curve.c.experiment_id.in_(ids), curve.c.last_seq > since]
    where += [curve.c.name.in_(names)] if names else []
    latest = and_(experiment.c.id == curve.c.experiment_id, experiment.c.attempt == curve.c.attempt)
    found = points_of(_COLUMNS, latest, experiment.c.deleted.is_(None), *where).where(metric.c.seq > since)
    return [NewPoint(*row) for row in tx.execute(found.order_by(metric.c.seq).limit(limit))]
