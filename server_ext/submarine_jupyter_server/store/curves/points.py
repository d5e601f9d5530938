"""Points read back: those after a number, or as few as show the same curve."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby
from operator import attrgetter, itemgetter
from typing import Any

from sqlalchemy import Column, Connection, Select, func, select
from sqlalchemy.sql.elements import ColumnElement

from submarine_jupyter_server.metrics.thinning import thinned
from submarine_jupyter_server.store.tables import curve, curve_stretches, metric

from .growth import AT_ONCE, STRETCH, Curve, Stretch

MOST_POINTS = 100_000
"""Of all curves together."""
_FEWEST = 4
# A query with a limit stays one of its own.
_ALL = 2**31


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One value that a replica reported at ``at`` (milliseconds); ``value`` is None when it was no finite number."""

    attempt: int
    replica: str
    name: str
    step: int | None
    value: float | None
    at: int
    seq: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which curves of one attempt: of some metrics (none: of all), of one replica (None: of all)."""

    experiment_id: str
    attempt: int
    names: Sequence[str] = ()
    replica: str | None = None

    def where(self) -> list[ColumnElement[bool]]:
        """Return the conditions."""
        found = [curve.c.experiment_id == self.experiment_id, curve.c.attempt == self.attempt]
        found += [curve.c.name.in_(self.names)] if self.names else []
        return found + ([curve.c.replica == self.replica] if self.replica is not None else [])


_low, _high = itemgetter(1), itemgetter(3)
_KEPT = tuple(curve.c[name] for name in Curve.__dataclass_fields__)
_SHOWN = tuple((metric if name in metric.c else curve).c[name] for name in MetricRow.__dataclass_fields__)


def after(tx: Connection, chosen: Chosen, since: int = 0, limit: int = MOST_POINTS) -> list[MetricRow]:
    """Return the newest ``limit`` points after number ``since``, in the order they were reported."""
    # A curve that has nothing new is passed over; of the others the index leads to the first new point.
    found = points_of(_SHOWN, *chosen.where(), curve.c.last_seq > since).where(metric.c.seq > since)
    rows = tx.execute(found.order_by(metric.c.seq.desc()).limit(limit)).yield_per(500)
    return [MetricRow(*row) for row in rows][::-1]


def points_of(columns: Sequence[Column[Any]], *where: ColumnElement[bool]) -> Select[Any]:
    """Return a query for points of some curves."""
    # These are found first: an engine may think that all points of an experiment are soon read.
    some = select(curve).where(*where).limit(_ALL).subquery()
    shown = [some.c[column.name] if column.table is curve else column for column in columns]
    return select(*shown).select_from(some).join(metric, metric.c.curve == some.c.number)


def few(tx: Connection, chosen: Chosen, count: int, most: int = MOST_POINTS) -> list[MetricRow]:
    """Return at most ``count`` (4 or more) points of each curve, in the order they were reported.

    The first, the last, the lowest and the highest are among them. Of many curves there are fewer points of each, so
    that they are about ``most`` together.
    """
    curves = [Curve(*row) for row in tx.execute(select(*_KEPT).where(*chosen.where()))]
    count = max(_FEWEST, min(count, most // max(len(curves), 1)))
    # What has more has at least half of ``count`` among the extremes of its stretches.
    many = count * STRETCH // 4
    short = _short(tx, [one.number for one in curves if one.count <= many], count)
    long = _numbered(tx, _long(tx, {one.number: one for one in curves if one.count > many}, count))
    return sorted(chain(short, long), key=attrgetter("seq"))[-MOST_POINTS:]


def outline(tx: Connection, chosen: Chosen) -> list[MetricRow]:
    """Return the first, the last, the lowest and the highest point of each curve, in the order they were reported."""
    return few(tx, chosen, _FEWEST)


def last_number(tx: Connection, chosen: Chosen) -> int:
    """Return the number of the newest point, 0 where there is none."""
    return tx.execute(select(func.max(curve.c.last_seq)).where(*chosen.where())).scalar() or 0


def _short(tx: Connection, numbers: Sequence[int], count: int) -> Iterator[MetricRow]:
    """Yield at most ``count`` points of each of some curves, chosen from all of them."""
    for some in _chunks(numbers):
        found = points_of((metric.c.curve, *_SHOWN), curve.c.number.in_(some)).order_by(metric.c.curve, metric.c.seq)
        rows = tx.execute(found).yield_per(1000)
        for _, its in groupby(rows, itemgetter(0)):
            yield from thinned([MetricRow(*row[1:]) for row in its], count)


def _long(tx: Connection, curves: Mapping[int, Curve], count: int) -> list[int]:
    """Return the numbers of at most ``count`` points of each of some curves, chosen from the extremes of stretches."""
    found: list[int] = []
    stretches = curve_stretches.c
    for some in _chunks(list(curves)):
        asked = select(stretches.curve, stretches.extremes).where(stretches.curve.in_(some))
        rows = tx.execute(asked.order_by(stretches.curve, stretches.text)).yield_per(100)
        for number, texts in groupby(rows, itemgetter(0)):
            one = curves[number]
            ended: list[Stretch] = json.loads(f"[{''.join(text for _, text in texts)[1:]}]")
            found += _chosen(one, ended if one.count % STRETCH == 0 else [*ended, one.stretch()], count)
    return sorted(found)


def _chosen(one: Curve, stretches: Sequence[Stretch], count: int) -> set[int]:
    many = min((count - 2) // 2, len(stretches))
    found = {one.first_seq, one.last_seq}
    for number in range(many):
        some = stretches[len(stretches) * number // many : len(stretches) * (number + 1) // many]
        # One without any number is told by its first point.
        valued = [stretch for stretch in some if _low(stretch) is not None] or some[:1]
        found |= {min(valued, key=_low)[0], max(valued, key=_high)[2]}
    return found


def _numbered(tx: Connection, seqs: Sequence[int]) -> Iterator[MetricRow]:
    for some in _chunks(seqs):
        asked = select(*_SHOWN).join(curve, curve.c.number == metric.c.curve).where(metric.c.seq.in_(some))
        yield from (MetricRow(*row) for row in tx.execute(asked))


def _chunks(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    return (numbers[begin : begin + AT_ONCE] for begin in range(0, len(numbers), AT_ONCE))
