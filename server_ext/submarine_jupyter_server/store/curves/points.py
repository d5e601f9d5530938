"""Points read back: those after a number, or as few as show the same curve."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby
from typing import NamedTuple

from sqlalchemy import Connection, Subquery, and_, func, select
from sqlalchemy.sql.elements import ColumnElement

from submarine_jupyter_server.metrics.thinning import thinned
from submarine_jupyter_server.store.tables import curve, curve_stretch, metric

from .growth import AT_ONCE, STRETCH

MOST_POINTS = 100_000
"""Of all curves together."""
_FEWEST = 4
# A query with a limit stays one of its own.
_ALL = 2**31
_KEY = ("experiment_id", "attempt", "name", "replica")


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


class _Point(NamedTuple):
    seq: int
    value: float | None


_SHOWN = tuple(metric.c[name] for name in MetricRow.__dataclass_fields__)
_STRETCHES = and_(*(curve_stretch.c[name] == curve.c[name] for name in _KEY))


def after(tx: Connection, chosen: Chosen, since: int = 0, limit: int = MOST_POINTS) -> list[MetricRow]:
    """Return the newest ``limit`` points after number ``since``, in the order they were reported."""
    # A curve that has nothing new is passed over; of the others the index leads to the first new point.
    moved = curves_first(*chosen.where(), curve.c.last_seq > since)
    found = select(*_SHOWN).select_from(moved).join(metric, of_curves(moved)).where(metric.c.seq > since)
    rows = tx.execute(found.order_by(metric.c.seq.desc()).limit(limit)).yield_per(500)
    return [MetricRow(*row) for row in rows][::-1]


def few(tx: Connection, chosen: Chosen, count: int, most: int = MOST_POINTS) -> list[MetricRow]:
    """Return at most ``count`` (4 or more) points of each curve, in the order they were reported.

    The first, the last, the lowest and the highest are among them. Of many curves there are fewer points of each, so
    that they are about ``most`` together.
    """
    curves = tx.execute(select(func.count()).select_from(curve).where(*chosen.where())).scalar_one()
    count = max(_FEWEST, min(count, most // max(curves, 1)))
    return _numbered(tx, _thinned(tx, chosen, count)[-MOST_POINTS:])


def outline(tx: Connection, chosen: Chosen) -> list[MetricRow]:
    """Return the first, the last, the lowest and the highest point of each curve, in the order they were reported."""
    return _numbered(tx, _thinned(tx, chosen, _FEWEST))


def last_number(tx: Connection, chosen: Chosen) -> int:
    """Return the number of the newest point, 0 where there is none."""
    return tx.execute(select(func.max(curve.c.last_seq)).where(*chosen.where())).scalar() or 0


def _thinned(tx: Connection, chosen: Chosen, count: int) -> list[int]:
    """Return the numbers of at most ``count`` points of each curve."""
    # What has more has at least half of ``count`` among the extremes of its stretches.
    many = count * STRETCH // 4
    curves = chain(_short(tx, chosen, many), _long(tx, chosen, many))
    return sorted(point.seq for some in curves for point in thinned(some, count))


def curves_first(*where: ColumnElement[bool]) -> Subquery:
    """Return some curves, to be found first: an engine may think that all points of an experiment are soon read."""
    return select(*(curve.c[name] for name in _KEY)).where(*where).limit(_ALL).subquery()


def of_curves(curves: Subquery) -> ColumnElement[bool]:
    """Return the condition that a point is of one of them."""
    return and_(*(metric.c[name] == curves.c[name] for name in _KEY))


def _short(tx: Connection, chosen: Chosen, many: int) -> Iterator[list[_Point]]:
    """Yield all points of each curve that has at most ``many``."""
    short = curves_first(*chosen.where(), curve.c.count <= many)
    found = select(short.c.name, short.c.replica, metric.c.seq, metric.c.value).select_from(short)
    found = found.join(metric, of_curves(short)).order_by(short.c.name, short.c.replica, metric.c.seq)
    rows = tx.execute(found).yield_per(1000)
    for _, some in groupby(rows, lambda row: (row[0], row[1])):
        yield [_Point(row[2], row[3]) for row in some]


def _long(tx: Connection, chosen: Chosen, many: int) -> Iterator[list[_Point]]:
    """Yield the ends of each curve that has more than ``many`` points, and the extremes of its stretches."""
    ends = {}
    columns = (curve.c.first_seq, curve.c.last_seq, curve.c.low_seq, curve.c.low, curve.c.high_seq, curve.c.high)
    for name, replica, *fields in tx.execute(
        select(curve.c.name, curve.c.replica, *columns).where(*chosen.where(), curve.c.count > many)
    ):
        ends[name, replica] = fields
    extremes = tuple(curve_stretch.c[name] for name in ("low_seq", "low", "high_seq", "high"))
    found = select(curve.c.name, curve.c.replica, *extremes).select_from(curve).join(curve_stretch, _STRETCHES)
    found = found.where(*chosen.where(), curve.c.count > many)
    order = (curve.c.name, curve.c.replica, curve_stretch.c.number)
    rows = tx.execute(found.order_by(*order)).yield_per(1000)
    for key, some in groupby(rows, lambda row: (row[0], row[1])):
        first, last, *unfinished = ends[key]
        values: dict[int, float | None] = {}
        for row in some:
            values[row[2]], values[row[4]] = row[3], row[5]
        values[unfinished[0]], values[unfinished[2]] = unfinished[1], unfinished[3]
        # The ends are kept by their place; nothing has to be known of their values.
        yield [_Point(seq, values.get(seq)) for seq in sorted({first, last, *values})]


def _numbered(tx: Connection, seqs: Sequence[int]) -> list[MetricRow]:
    found: list[MetricRow] = []
    for begin in range(0, len(seqs), AT_ONCE):
        some = select(*_SHOWN).where(metric.c.seq.in_(seqs[begin : begin + AT_ONCE])).order_by(metric.c.seq)
        found += [MetricRow(*row) for row in tx.execute(some)]
    return found
