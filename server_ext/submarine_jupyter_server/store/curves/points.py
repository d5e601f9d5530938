"""Points read back: those after a number, or as few as show the same curve."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby, islice
from operator import attrgetter, itemgetter
from typing import Any

from sqlalchemy import Column, Connection, Select, func, select
from sqlalchemy.sql.elements import ColumnElement

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
    whole = _whole(tx, [one.number for one in curves if one.count <= count])
    short = _short(tx, {one.number: one for one in curves if count < one.count <= many}, count)
    long = _long(tx, {one.number: one for one in curves if one.count > many}, count)
    found = chain(whole, _numbered(tx, sorted(chain(short, long))))
    return sorted(found, key=attrgetter("seq"))[-MOST_POINTS:]


def outline(tx: Connection, chosen: Chosen) -> list[MetricRow]:
    """Return the first, the last, the lowest and the highest point of each curve, in the order they were reported."""
    return few(tx, chosen, _FEWEST)


def last_number(tx: Connection, chosen: Chosen) -> int:
    """Return the number of the newest point, 0 where there is none."""
    return tx.execute(select(func.max(curve.c.last_seq)).where(*chosen.where())).scalar() or 0


def _whole(tx: Connection, numbers: Sequence[int]) -> Iterator[MetricRow]:
    """Yield all points of some curves."""
    for some in _chunks(numbers):
        found = tx.execute(points_of(_SHOWN, curve.c.number.in_(some))).yield_per(1000)
        yield from (MetricRow(*row) for row in found)


def _short(tx: Connection, curves: Mapping[int, Curve], count: int) -> Iterator[int]:
    """Yield the numbers of at most ``count`` points of each of some curves, chosen from all of them."""
    for some in _chunks(list(curves)):
        asked = select(metric.c.curve, metric.c.seq, metric.c.value).where(metric.c.curve.in_(some))
        rows = tx.execute(asked.order_by(metric.c.curve, metric.c.seq)).yield_per(1000)
        for number, its in groupby(rows, itemgetter(0)):
            points = ((seq, value, seq, value) for _, seq, value in its)
            yield from _chosen(curves[number], curves[number].count, points, count)


def _long(tx: Connection, curves: Mapping[int, Curve], count: int) -> Iterator[int]:
    """Yield the numbers of at most ``count`` points of each of some curves, chosen from the extremes of stretches."""
    kept = curve_stretches.c
    for some in _chunks(list(curves)):
        asked = select(kept.curve, kept.extremes).where(kept.curve.in_(some))
        rows = tx.execute(asked.order_by(kept.curve, kept.text)).yield_per(100)
        for number, texts in groupby(rows, itemgetter(0)):
            one = curves[number]
            # Text by text: whatever else the server does waits while one is parsed.
            stretches = chain.from_iterable(json.loads(f"[{text[1:]}]") for _, text in texts)
            unfinished = [one.stretch()] if one.count % STRETCH else []
            yield from _chosen(one, -(-one.count // STRETCH), chain(stretches, unfinished), count)


def _chosen(one: Curve, there: int, stretches: Iterator[Stretch], count: int) -> set[int]:
    """Return the numbers of at most ``count`` points, chosen from those of ``there`` stretches."""
    many = min((count - 2) // 2, there)
    found = {one.first_seq, one.last_seq}
    for number in range(many):
        some = list(islice(stretches, there * (number + 1) // many - there * number // many))
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
