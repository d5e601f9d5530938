"""What is kept of a curve as it grows: its points, its ends, the lowest and the highest point of each stretch.

A curve is the points of one metric of one replica in one attempt. A stretch is ``STRETCH`` points of it in a row: where
a curve is shown by few points, they are chosen from the extremes of its stretches, and the others are not read. Of many
stretches in a row these stand in one text, to which is added: each is ``,[low_seq,low,high_seq,high]``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update

from submarine_jupyter_server.store.engine.prepared import Prepared
from submarine_jupyter_server.store.tables import curve, curve_stretches, metric
from submarine_jupyter_server.store.tables.dialect import insert_or_append, storable

STRETCH = 32
IN_A_ROW = 64
"""So many stretches stand in one text."""
AT_ONCE = 500
"""So many values a statement may have everywhere."""
_MOST = 2**63
Point = tuple[int, float | None, int | None]
"""Its number, its value (None for what is no finite number), its step."""
Stretch = Sequence[Any]
"""Its lowest point and its highest: number, value, number, value."""

_value = itemgetter(1)


def extremes(some: Sequence[Point]) -> Sequence[tuple[int, float, int | None]]:
    """Return the first of the lowest and the first of the highest points; none where no value is a number."""
    numbers = [(seq, value, step) for seq, value, step in some if value is not None]
    return numbers if len(numbers) < 2 else (min(numbers, key=_value), max(numbers, key=_value))


@dataclass(slots=True)
class Curve:
    """How far a curve goes, and the extremes of the stretch it is in; a value is None where there is no number."""

    number: int
    count: int = 0
    first_seq: int = 0
    last_seq: int = 0
    low_seq: int = 0
    low: float | None = None
    high_seq: int = 0
    high: float | None = None

    def take(self, some: Sequence[Point]) -> dict[int, str]:
        """Go on by some points; return the extremes of the stretches that they end, by the number of their text."""
        ended: dict[int, str] = {}
        begin = 0
        while begin < len(some):
            room = STRETCH - self.count % STRETCH
            part = some[begin : begin + room]
            begin += room
            self._take(part, anew=room == STRETCH)
            if len(part) == room:
                text = self.count // STRETCH // IN_A_ROW
                self.count += room
                ended[text] = f"{ended.get(text, '')},{json.dumps(self.stretch(), separators=(',', ':'))}"
            else:
                self.count += len(part)
        self.first_seq = self.first_seq or some[0][0]
        self.last_seq = some[-1][0]
        return ended

    def stretch(self) -> Stretch:
        """Return the stretch it is in, as far as it goes."""
        return [self.low_seq, self.low, self.high_seq, self.high]

    def _take(self, part: Sequence[Point], *, anew: bool) -> None:
        if anew:
            self.low_seq = self.high_seq = part[0][0]
            self.low = self.high = None
        for seq, value, _ in extremes(part):
            if self.low is None or value < self.low:
                self.low_seq, self.low = seq, value
            if self.high is None or value > self.high:
                self.high_seq, self.high = seq, value


_FIELDS = tuple(Curve.__dataclass_fields__)
_fields = attrgetter(*_FIELDS[1:])
# Made once: to put a statement together takes as long as to carry it out.
_BEGIN = Prepared(insert(curve), "number", "experiment_id", "attempt", "name", "replica", *_FIELDS[1:])
_GO_ON = Prepared(update(curve).where(curve.c.number == bindparam("of")), *_FIELDS[1:], "of")
_ADD = Prepared(insert_or_append(curve_stretches), "curve", "text", "extremes")
_INSERT = Prepared(insert(metric), "seq", "curve", "step", "value", "at")
_FIND = (
    select(curve.c.name, *(curve.c[name] for name in _FIELDS))
    .where(*(curve.c[name] == bindparam(name) for name in ("experiment_id", "attempt", "replica")))
    .where(curve.c.name.in_(bindparam("names", expanding=True)))
)


def add(
    tx: Connection,
    key: Mapping[str, Any],
    last: int,
    metrics: Sequence[tuple[str, float, int | None, int]],
    known: dict[tuple[str, str], Curve],
) -> dict[str, list[Point]]:
    """Record new points (name, value, step, time), numbered after ``last``; return them by name, as it is kept.

    ``key`` is their experiment_id, attempt and replica; ``known`` are curves of the attempt, by replica and name: those
    that were not known are then.
    """
    names = {name: storable(name) for name in dict.fromkeys(each[0] for each in metrics)}
    curves = _curves(tx, key, list(dict.fromkeys(names.values())), known)
    found: dict[str, list[Point]] = {name: [] for name in curves}
    of = {name: (curves[kept].number, found[kept]) for name, kept in names.items()}
    rows = []
    for seq, (name, number, step, at) in enumerate(metrics, last + 1):
        its, some = of[name]
        # No engine and no JSON has all of NaN and the infinities: what is no finite number is null from here on.
        value = number if math.isfinite(number) else None
        # A larger step than the database can hold is no step.
        step = step if step is None or -_MOST <= step < _MOST else None
        some.append((seq, value, step))
        rows.append((seq, its, step, value, at))
    _grow(tx, key, curves, found)
    _INSERT(tx, rows)
    return found


def _grow(
    tx: Connection, key: Mapping[str, Any], curves: Mapping[str, Curve], found: Mapping[str, Sequence[Point]]
) -> None:
    begun, moved, ended = [], [], []
    for name, one in curves.items():
        new = not one.count
        if texts := one.take(found[name]):
            ended += [(one.number, at, text) for at, text in texts.items()]
        if new:
            begun.append((one.number, key["experiment_id"], key["attempt"], name, key["replica"], *_fields(one)))
        else:
            moved.append((*_fields(one), one.number))
    _BEGIN(tx, begun)
    _GO_ON(tx, moved)
    _ADD(tx, ended)


def _curves(
    tx: Connection, key: Mapping[str, Any], names: Sequence[str], known: dict[tuple[str, str], Curve]
) -> dict[str, Curve]:
    """Return curves of a replica by name; what has none yet begins one."""
    replica = key["replica"]
    unknown = [name for name in names if (replica, name) not in known]
    for begin in range(0, len(unknown), AT_ONCE):
        for name, *fields in tx.execute(_FIND, {**key, "names": unknown[begin : begin + AT_ONCE]}):
            known[replica, name] = Curve(*fields)
    new = [name for name in unknown if (replica, name) not in known]
    if new:
        last = tx.execute(select(func.max(curve.c.number))).scalar() or 0
        known |= {(replica, name): Curve(number) for number, name in enumerate(new, last + 1)}
    return {name: known[replica, name] for name in names}
