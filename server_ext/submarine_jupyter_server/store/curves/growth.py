"""What is kept of a curve as it grows: its length, its ends, the lowest and the highest point of each stretch.

A curve is the points of one metric of one replica in one attempt. A stretch is ``STRETCH`` points of it in a row: where
a curve is shown by few points, they are chosen from the extremes of its stretches, and the others are not read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select

from submarine_jupyter_server.store.dialect import insert_or_replace
from submarine_jupyter_server.store.tables import curve, curve_stretch

STRETCH = 32
AT_ONCE = 500
"""So many values a statement may have everywhere."""
_KEEP, _ADD = insert_or_replace(curve), insert(curve_stretch)


@dataclass(slots=True)
class Curve:
    """How far a curve goes, and the extremes of the stretch it is in; a value is None where there is no number."""

    count: int
    first_seq: int
    last_seq: int
    low_seq: int
    low: float | None
    high_seq: int
    high: float | None

    @classmethod
    def begun(cls, seq: int) -> Curve:
        """Return a curve without a point yet, whose first has the number ``seq``."""
        return cls(0, seq, seq, seq, None, seq, None)

    def take(self, seq: int, value: float | None) -> bool:
        """Go on by one point; return whether that ends a stretch."""
        if self.count % STRETCH == 0:
            self.low_seq = self.high_seq = seq
            self.low = self.high = None
        if value is not None:
            if self.low is None or value < self.low:
                self.low_seq, self.low = seq, value
            if self.high is None or value > self.high:
                self.high_seq, self.high = seq, value
        self.count += 1
        self.last_seq = seq
        return self.count % STRETCH == 0

    def stretch(self) -> dict[str, Any]:
        """Return the stretch that has ended."""
        extremes = {"low_seq": self.low_seq, "low": self.low, "high_seq": self.high_seq, "high": self.high}
        return {"number": self.count // STRETCH - 1, **extremes}


_FIELDS = tuple(Curve.__dataclass_fields__)
_COLUMNS = tuple(curve.c[name] for name in _FIELDS)


def grow(
    tx: Connection, experiment_id: str, attempt: int, replica: str, points: Sequence[tuple[str, int, float | None]]
) -> None:
    """Record new points of a replica: name, number, value (None for what is no finite number)."""
    key = {"experiment_id": experiment_id, "attempt": attempt, "replica": replica}
    curves = _known(tx, key, {name for name, _, _ in points})
    ended: list[dict[str, Any]] = []
    for name, seq, value in points:
        if (one := curves.get(name)) is None:
            one = curves[name] = Curve.begun(seq)
        if one.take(seq, value):
            ended.append(key | {"name": name} | one.stretch())
    rows = [{name: getattr(one, name) for name in _FIELDS} | key | {"name": of} for of, one in curves.items()]
    tx.execute(_KEEP, rows)
    if ended:
        tx.execute(_ADD, ended)


def _known(tx: Connection, key: Mapping[str, Any], names: Iterable[str]) -> dict[str, Curve]:
    wanted = sorted(names)
    known: dict[str, Curve] = {}
    where = [curve.c[column] == value for column, value in key.items()]
    for begin in range(0, len(wanted), AT_ONCE):
        some = curve.c.name.in_(wanted[begin : begin + AT_ONCE])
        found = tx.execute(select(curve.c.name, *_COLUMNS).where(*where, some))
        known |= {name: Curve(*fields) for name, *fields in found}
    return known
