"""What experiments are found, sorted and compared by beside their columns: parameters, and values of each metric.

A parameter is what the spec declares, or what the training code of the latest attempt has told since. A metric is the
value that was read last in the latest attempt, of whichever replica; its lowest and its highest are kept beside it. A
number is kept as a number, all else as text; of a text it is known whether it is a truth value.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from operator import attrgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from submarine_jupyter.spec.params import declared
from submarine_jupyter_server.store.curves import points
from submarine_jupyter_server.store.curves.growth import Point, extremes
from submarine_jupyter_server.store.curves.points import Chosen
from submarine_jupyter_server.store.engine.prepared import Prepared
from submarine_jupyter_server.store.rows import ExperimentRow
from submarine_jupyter_server.store.tables import experiment_value, param
from submarine_jupyter_server.store.tables.dialect import insert_or_replace, storable

from . import shown

PARAM, METRIC = "param", "metric"
LONGEST = 256
"""Of a longer text so many characters are kept."""

_INSERT, _REPLACE = sa.insert(experiment_value), insert_or_replace(experiment_value)


@dataclass(slots=True)
class Measured:
    """The last value of a metric, its lowest and its highest, each with its step; None for what is no finite number."""

    number: float | None = None
    step: int | None = None
    low: float | None = None
    low_step: int | None = None
    high: float | None = None
    high_step: int | None = None

    def take(self, some: Sequence[Point]) -> None:
        """Go on by some points."""
        _, self.number, self.step = some[-1]
        for _, value, step in extremes(some):
            if self.low is None or value < self.low:
                self.low, self.low_step = value, step
            if self.high is None or value > self.high:
                self.high, self.high_step = value, step


_FIELDS = tuple(Measured.__dataclass_fields__)
_MEASURED = tuple(experiment_value.c[name] for name in _FIELDS)
_fields = attrgetter(*_FIELDS)
_FIND = sa.select(experiment_value.c.name, *_MEASURED).where(
    experiment_value.c.seq == sa.bindparam("of"),
    experiment_value.c.kind == METRIC,
)
_SHOWN = (experiment_value.c.name, experiment_value.c.number, experiment_value.c.text, experiment_value.c.truth)
_FIRST = (
    sa.select(*_SHOWN)
    .where(experiment_value.c.seq == sa.bindparam("of"), experiment_value.c.kind == PARAM)
    .order_by(experiment_value.c.name)
    .limit(shown.MOST)
)
_KEY = ("seq", "kind", "name")
_GO_ON = sa.update(experiment_value).where(*(experiment_value.c[name] == sa.bindparam(f"of_{name}") for name in _KEY))
_MEASURE = Prepared(_GO_ON, *_FIELDS, *(f"of_{name}" for name in _KEY))
_NOTHING: dict[str, object] = {**dict.fromkeys(("text", *_FIELDS)), "truth": False}


def begin(tx: Connection, seq: int, spec: str) -> None:
    """Keep what the spec of a new experiment declares."""
    _add(tx, seq, declared(spec))


def renew(tx: Connection, row: ExperimentRow, *, anew: bool) -> None:
    """Keep what is true of an experiment whose spec has changed, or that is in another attempt (``anew``)."""
    where = (param.c.experiment_id == row.id, param.c.attempt == row.attempt)
    logged = {
        name: json.loads(value) for name, value in tx.execute(sa.select(param.c.name, param.c.value).where(*where))
    }
    _remove(tx, row.seq, PARAM)
    _add(tx, row.seq, declared(row.spec) | logged)
    if anew:
        _remove(tx, row.seq, METRIC)
        found = points.outline(tx, Chosen(experiment_id=row.id, attempt=row.attempt))
        by_name: dict[str, list[Point]] = {}
        for one in found:
            by_name.setdefault(one.name, []).append((one.seq, one.value, one.step))
        measure(tx, row.seq, by_name, {})


def put(tx: Connection, seq: int, values: Mapping[str, object]) -> None:
    """Keep newer values of parameters in place of those of the same names."""
    if values:
        tx.execute(_REPLACE, [_row(seq, PARAM, name, **_stored(value)) for name, value in values.items()])
        first = tx.execute(_FIRST, {"of": seq})
        shown.keep(tx, seq, PARAM, {name: shown.value(*columns) for name, *columns in first})


def measure(tx: Connection, seq: int, found: Mapping[str, Sequence[Point]], known: dict[str, Measured]) -> None:
    """Record new points of metrics, in order; ``known`` are all values by name, or none where they are not known."""
    if not known:
        known |= {name: Measured(*fields) for name, *fields in tx.execute(_FIND, {"of": seq})}
    begun, moved = [], []
    for name, some in found.items():
        new = name not in known
        one = known.setdefault(name, Measured())
        one.take(some)
        if new:
            begun.append(_row(seq, METRIC, name, **dict(zip(_FIELDS, _fields(one), strict=True))))
        else:
            moved.append((*_fields(one), seq, METRIC, name))
    _MEASURE(tx, moved)
    if begun:
        tx.execute(_INSERT, begun)
    if found:
        first = nsmallest(shown.MOST, known)
        shown.keep(tx, seq, METRIC, {name: shown.written(known[name].number) for name in first})


def _remove(tx: Connection, seq: int, kind: str) -> None:
    tx.execute(sa.delete(experiment_value).where(experiment_value.c.seq == seq, experiment_value.c.kind == kind))
    shown.remove(tx, seq, kind)


def _add(tx: Connection, seq: int, params: Mapping[str, object]) -> None:
    if params:
        rows = {storable(name): _stored(value) for name, value in params.items()}
        tx.execute(_INSERT, [_row(seq, PARAM, name, **columns) for name, columns in rows.items()])
        shown.keep(tx, seq, PARAM, {name: shown.value(**columns) for name, columns in rows.items()})


def _row(seq: int, kind: str, name: str, **values: object) -> dict[str, object]:
    return {"seq": seq, "kind": kind, "name": name, **_NOTHING, **values}


def _stored(value: object) -> dict[str, Any]:
    return _valued(value) | {"truth": isinstance(value, bool)}


def _valued(value: object) -> dict[str, Any]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"number": float(value) if math.isfinite(value) else None, "text": None}
    text = value if isinstance(value, str) else None if value is None else json.dumps(value)
    return {"number": None, "text": None if text is None else storable(text[:LONGEST])}
