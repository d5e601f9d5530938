"""Experiments side by side: which of their parameters differ, and values of metrics.

All of it is kept with the experiments (``annotations.searchable``): no point of a curve is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Subquery, and_, case, func, literal, select
from sqlalchemy.sql.elements import ColumnElement

from submarine_jupyter_server.store.annotations.searchable import METRIC, PARAM
from submarine_jupyter_server.store.annotations.shown import Value, written
from submarine_jupyter_server.store.annotations.shown import value as shown_value
from submarine_jupyter_server.store.rows import SLIM, ListRow, listed
from submarine_jupyter_server.store.tables import experiment, experiment_value

# So many values a statement may have everywhere.
_AT_ONCE = 500
_MOST_NAMES_READ = 150_000
_value = experiment_value.c


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter: how many experiments have it, and its value where it is the same in all of them."""

    count: int
    value: Value
    varies: bool

    def and_(self, other: Param) -> Param:
        """Return what is true of the experiments of both."""
        same = type(self.value) is type(other.value) and self.value == other.value
        varies = self.varies or other.varies or not same
        return Param(self.count + other.count, None if varies else self.value, varies)


@dataclass(frozen=True, slots=True)
class Measure:
    """The last value of a metric, its lowest and its highest, each with its step; None for what is no finite number."""

    last: float | None = None
    step: int | None = None
    low: float | None = None
    low_step: int | None = None
    high: float | None = None
    high_step: int | None = None


def rows(tx: Connection, ids: Sequence[str]) -> list[ListRow]:
    """Return those of ``ids`` that are there, in the same order, without their specs."""
    found: dict[str, ListRow] = {}
    for begin in range(0, len(ids), _AT_ONCE):
        where = (experiment.c.id.in_(ids[begin : begin + _AT_ONCE]), experiment.c.deleted.is_(None))
        found |= {row.id: row for row in map(listed, tx.execute(select(*SLIM).where(*where)))}
    return [found[one] for one in ids if one in found]


def params(tx: Connection, seqs: Sequence[int]) -> dict[str, Param]:
    """Return all parameters of some experiments, by name."""
    truths = func.sum(case((_value.truth, 1), else_=0))
    counts = (func.count(), func.count(_value.number), func.count(_value.text), truths)
    ends = (func.min(_value.number), func.max(_value.number), func.min(_value.text), func.max(_value.text))
    found: dict[str, Param] = {}
    for some in _chunks(seqs, PARAM):
        asked = select(_value.name, *counts, *ends).select_from(some).join(experiment_value, _of(some))
        for name, *fields in tx.execute(asked.group_by(_value.name)):
            one = _param(*fields)
            found[name] = found[name].and_(one) if name in found else one
    return found


def values(tx: Connection, seqs: Sequence[int], names: Sequence[str]) -> dict[str, list[Value]]:
    """Return the values of some parameters, in the order of the experiments."""
    place = {seq: at for at, seq in enumerate(seqs)}
    found: dict[str, list[Value]] = {name: [None] * len(seqs) for name in names}
    for some in _chunks(seqs, PARAM):
        asked = select(_value.seq, _value.name, _value.number, _value.text, _value.truth).select_from(some)
        asked = asked.join(experiment_value, _of(some)).where(_value.name.in_(names))
        for seq, name, number, text, truth in tx.execute(asked):
            found[name][place[seq]] = shown_value(number, text, truth)
    return found


def metric_names(tx: Connection, seqs: Sequence[int]) -> tuple[Counter[str], bool]:
    """Return the names of metrics, each with how many experiments have it, and whether these are all.

    Of very many not all are read: then from all parts of ``seqs`` alike.
    """
    found: Counter[str] = Counter()
    most = _MOST_NAMES_READ // max(1, -(-len(seqs) // _AT_ONCE))
    whole = True
    for some in _chunks(seqs, METRIC):
        named = select(_value.name).select_from(some).join(experiment_value, _of(some)).limit(most).subquery()
        counted = tx.execute(select(named.c.name, func.count()).group_by(named.c.name))
        read: Counter[str] = Counter()
        for name, count in counted:
            read[name] = count
        whole = whole and read.total() < most
        found += read
    return found, whole


def measures(tx: Connection, seqs: Sequence[int], names: Sequence[str]) -> dict[str, list[Measure]]:
    """Return what some metrics were, in the order of the experiments."""
    place = {seq: at for at, seq in enumerate(seqs)}
    none = Measure()
    found = {name: [none] * len(seqs) for name in names}
    columns = (_value.number, _value.step, _value.low, _value.low_step, _value.high, _value.high_step)
    for some in _chunks(seqs, METRIC):
        asked = select(_value.seq, _value.name, *columns).select_from(some).join(experiment_value, _of(some))
        for seq, name, *fields in tx.execute(asked.where(_value.name.in_(names))):
            found[name][place[seq]] = Measure(*fields)
    return found


def _chunks(seqs: Sequence[int], kind: str) -> Iterator[Subquery]:
    """Yield the numbers of some experiments at a time, to be found first.

    With the kind as a value of its own an engine cannot begin with all values of the kind.
    """
    for begin in range(0, len(seqs), _AT_ONCE):
        some = select(experiment.c.seq, literal(kind).label("kind"))
        yield some.where(experiment.c.seq.in_(seqs[begin : begin + _AT_ONCE])).limit(_AT_ONCE).subquery()


def _of(some: Subquery) -> ColumnElement[bool]:
    return and_(_value.seq == some.c.seq, _value.kind == some.c.kind)


def _param(
    count: int,
    numbers: int,
    texts: int,
    truths: int,
    low: float | None,
    high: float | None,
    first: str | None,
    last: str | None,
) -> Param:
    if numbers == count and low == high:
        return Param(count, written(low), varies=False)
    if texts == count and first == last and truths in (0, count):
        return Param(count, first == "true" if truths else first, varies=False)
    return Param(count, None, varies=numbers + texts > 0)
