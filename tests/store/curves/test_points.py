"""Few points of a curve are its first, its last, its extremes, and others of it; numbers are given once."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, select

from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.curves import points
from submarine_jupyter_server.store.curves.growth import IN_A_ROW, STRETCH
from submarine_jupyter_server.store.curves.points import Chosen, MetricRow
from submarine_jupyter_server.store.experiments import ExperimentRow, NewExperiment
from submarine_jupyter_server.store.orders import changes
from submarine_jupyter_server.store.orders.changes import SpecTexts
from submarine_jupyter_server.store.reported import metrics
from submarine_jupyter_server.store.tables import curve, curve_stretches, experiment_value, metric

New = Callable[..., NewExperiment]
Value = tuple[str, float]
TEXTS = SpecTexts(spec="{}", wire_spec="{}", list_spec=None, name="n", namespace="d", framework="f", tags=())
NAMES = ("loss", "acc", "a\0b", "\ud800")


@pytest.fixture
def row(tx: Connection, new: New) -> ExperimentRow:
    return experiments.insert(tx, new())


class Log:
    """What replicas print, read in slices."""

    def __init__(self, tx: Connection, experiment_id: str, attempt: int = 1) -> None:
        self.tx, self.id, self.attempt = tx, experiment_id, attempt
        self.positions: dict[str, int] = {}
        self.steps = 0

    def read(self, replica: str, found: list[Value]) -> None:
        self.positions[replica] = self.positions.get(replica, 0) + 1
        rows = [(name, value, self.steps + at, 7) for at, (name, value) in enumerate(found)]
        self.steps += len(found)
        assert metrics.record(self.tx, self.id, self.attempt, replica, self.positions[replica], rows)

    def chosen(self, *names: str, replica: str | None = None) -> Chosen:
        return Chosen(experiment_id=self.id, attempt=self.attempt, names=names, replica=replica)


def by_curve(found: list[MetricRow]) -> dict[tuple[str, str], list[MetricRow]]:
    curves: dict[tuple[str, str], list[MetricRow]] = {}
    for one in found:
        curves.setdefault((one.name, one.replica), []).append(one)
    return curves


def extremes(found: list[MetricRow]) -> tuple[float, float] | None:
    numbers = [one.value for one in found if one.value is not None]
    return (min(numbers), max(numbers)) if numbers else None


values = st.one_of(st.floats(-9, 9), st.sampled_from([math.nan, math.inf, 0.0, 1.0]))
slice_ = st.lists(st.tuples(st.sampled_from(NAMES), values), max_size=90)
slices = st.lists(st.tuples(st.sampled_from(["worker-0", "worker-1"]), slice_), max_size=8)
Slices = list[tuple[str, list[Value]]]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(slices, st.integers(4, 30))
def test_few_points_show_the_same_curve(tx: Connection, new: New, read: Slices, count: int) -> None:
    log = Log(tx, experiments.insert(tx, new()).id)
    for replica, found in read:
        log.read(replica, found)
    whole = by_curve(points.after(tx, log.chosen()))
    few = by_curve(points.few(tx, log.chosen(), count))
    assert list(few) == list(whole)
    for key, some in few.items():
        every = whole[key]
        assert len(some) <= count
        assert [one.seq for one in some] == sorted({one.seq for one in some})
        assert {one.seq for one in some} <= {one.seq for one in every}
        assert (some[0].seq, some[-1].seq) == (every[0].seq, every[-1].seq)
        assert extremes(some) == extremes(every)
        if len(every) <= count:
            assert some == every
    assert points.last_number(tx, log.chosen()) == max((some[-1].seq for some in whole.values()), default=0)
    assert metrics.names(tx, log.id, 1) == {name for name, _ in whole}


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(slices)
def test_what_is_compared_is_what_was_read(tx: Connection, new: New, read: Slices) -> None:
    row = experiments.insert(tx, new())
    log = Log(tx, row.id)
    for replica, found in read:
        log.read(replica, found)
    every = points.after(tx, log.chosen())
    _check(tx, row, every)
    # It is known again where a change is taken back to an attempt that had measured it.
    changed = changes.replace_spec(tx, row, TEXTS, new_attempt=True)
    _check(tx, row, [])
    changes.take_back(tx, changed, TEXTS, reason="R", message="m")
    _check(tx, row, every)


def _check(tx: Connection, row: ExperimentRow, every: list[MetricRow]) -> None:
    value = experiment_value.c
    columns = (value.number, value.step, value.low, value.low_step, value.high, value.high_step)
    found = tx.execute(select(value.name, *columns).where(value.seq == row.seq, value.kind == "metric")).all()
    assert {one.name for one in found} == {one.name for one in every}
    for one in found:
        some = [point for point in every if point.name == one.name]
        assert (one.number, one.step) == (some[-1].value, some[-1].step)
        assert (None if one.low is None else (one.low, one.high)) == extremes(some)
        steps = {(point.value, point.step) for point in some} | {(None, None)}
        assert {(one.low, one.low_step), (one.high, one.high_step)} <= steps


def test_a_long_curve_is_read_by_its_stretches_only(tx: Connection, row: ExperimentRow) -> None:
    log = Log(tx, row.id)
    log.read("worker-0", [("loss", float(at * 7919 % 10_007)) for at in range(4000)])
    tx.execute(metric.delete().where(metric.c.seq % STRETCH == 5))  # nothing reads these
    found = points.few(tx, log.chosen("loss", replica="worker-0"), 100)
    assert 50 <= len(found) <= 100
    assert points.few(tx, log.chosen("acc"), 100) == points.few(tx, log.chosen(replica="ps-0"), 100) == []
    assert tx.execute(select(func.count()).select_from(curve_stretches)).scalar() == 4000 // STRETCH // IN_A_ROW + 1


def test_of_many_curves_there_are_fewer_points_each(
    tx: Connection, row: ExperimentRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log(tx, row.id)
    log.read("worker-0", [(f"m{at % 20}", float(at)) for at in range(2000)])
    monkeypatch.setattr(points, "MOST_POINTS", 200)
    assert 100 <= len(points.few(tx, log.chosen(), 100)) <= 200


def test_a_number_is_given_once(tx: Connection, row: ExperimentRow, new: New) -> None:
    other = experiments.insert(tx, new())
    log = Log(tx, row.id)
    log.read("worker-0", [("loss", 1.0)] * 3)
    for remove in (experiments.scrub, experiments.forget):
        one = Log(tx, other.id)
        one.read("worker-0", [("loss", 2.0)])
        last = points.last_number(tx, one.chosen())
        experiments.mark_deleted(tx, other.id, 5)
        remove(tx, other.id)
        assert (
            tx.execute(select(func.count()).select_from(curve).where(curve.c.experiment_id == other.id)).scalar() == 0
        )
        log.read("worker-0", [("loss", 3.0)])
        assert [one.seq for one in points.after(tx, log.chosen(), since=last)] == [last + 1]
        other = experiments.insert(tx, new())
