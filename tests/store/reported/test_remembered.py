"""What a writer remembers of curves and values is what the database has, whoever wrote it and whatever was undone."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest
from sqlalchemy import Connection, select

from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.annotations.searchable import METRIC, Measured
from submarine_jupyter_server.store.curves import points
from submarine_jupyter_server.store.curves.growth import Curve, Point
from submarine_jupyter_server.store.curves.points import Chosen
from submarine_jupyter_server.store.experiments import NewExperiment
from submarine_jupyter_server.store.orders import changes
from submarine_jupyter_server.store.orders.changes import SpecTexts
from submarine_jupyter_server.store.reported import metrics, remembered
from submarine_jupyter_server.store.sqlite.database import SqliteDatabase
from submarine_jupyter_server.store.tables import curve, curve_stretches, experiment_value, shown_values
from tests.store.conftest import Opened

New = Callable[..., NewExperiment]
REPLICAS, NAMES = ("worker-0", "worker-1"), ("loss", "acc", "a\0b")
TEXTS = SpecTexts(spec="{}", wire_spec="{}", list_spec=None, name="n", namespace="d", framework="f", tags=())


class Undone(Exception):
    """What a job raises after it has written."""


class Recording:
    """One experiment, whose logs two servers of a data directory read, one after the other."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.id = ""
        self.attempt = 1

    def slice_(self) -> list[tuple[str, float, int | None, int]]:
        some = self.random.choices(NAMES, k=self.random.choice([0, 1, 1, 3, 100]))
        numbers = [*range(-2, 3), float("nan")]
        return [(name, float(self.random.choice(numbers)), self.random.randrange(9), 7) for name in some]

    def step(self, tx: Connection) -> None:
        for _ in range(self.random.choice([1, 2])):
            replica, attempt = self.random.choice(REPLICAS), self.random.choice([1, self.attempt])
            position = metrics.positions(tx, self.id, attempt).get(replica, 0) + 1
            assert metrics.record(tx, self.id, attempt, replica, position, self.slice_())
        if self.random.random() < 0.15:
            raise Undone

    def read(self, tx: Connection, position: int, value: float) -> None:
        assert metrics.record(tx, self.id, 1, "worker-0", position, [("loss", value, position, 7)])

    def change(self, tx: Connection) -> None:
        """Begin another attempt, or take it back."""
        row = experiments.find(tx, self.id)
        assert row is not None
        if row.attempt == 1:
            changes.replace_spec(tx, row, TEXTS, new_attempt=True)
        else:
            changes.take_back(tx, row, TEXTS, reason="R", message="m")
        self.attempt = 3 - row.attempt

    def check(self, tx: Connection) -> None:
        """Compare what was kept, batch by batch, with what all points together say."""
        shown: dict[str, list[Point]] = {}
        row = experiments.find(tx, self.id)
        assert row is not None
        for attempt in (1, 2):
            chosen = Chosen(experiment_id=self.id, attempt=attempt)
            curves: dict[tuple[str, str], list[Point]] = {}
            for one in points.after(tx, chosen):
                point = (one.seq, one.value, one.step)
                curves.setdefault((one.name, one.replica), []).append(point)
                if attempt == row.attempt:
                    shown.setdefault(one.name, []).append(point)
            columns = [curve.c[name] for name in Curve.__dataclass_fields__]
            for name, replica, *fields in tx.execute(
                select(curve.c.name, curve.c.replica, *columns).where(*chosen.where())
            ):
                whole = Curve(fields[0])
                texts = whole.take(curves.pop((name, replica)))
                assert whole == Curve(*fields)
                stretches = select(curve_stretches.c.text, curve_stretches.c.extremes)
                found = tx.execute(stretches.where(curve_stretches.c.curve == whole.number))
                assert {number: text for number, text in found} == texts  # noqa: C416 - rows
            assert not curves
        value = experiment_value.c
        fields_ = [value[name] for name in Measured.__dataclass_fields__]
        values: dict[str, float | None] = {}
        asked = select(value.name, *fields_).where(value.seq == row.seq, value.kind == METRIC)
        for name, *fields in tx.execute(asked):
            measured = Measured()
            measured.take(shown.pop(name))
            assert Measured(*fields) == measured
            values[name] = measured.number
        text = tx.execute(select(shown_values.c.text).where(shown_values.c.seq == row.seq)).scalar()
        assert (json.loads(text) if text else {}) == values
        assert not shown


@pytest.mark.parametrize("most", [0, remembered.MOST])
async def test_it_is_what_the_database_has(
    opened: Opened, new: New, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(remembered, "MOST", most)
    recording = Recording(most)
    async with opened() as one, opened() as other:
        recording.id = await one.write(lambda tx: experiments.insert(tx, new()).id)
        undone = 0
        for _ in range(60):
            server: SqliteDatabase = recording.random.choice([one, one, one, other])
            try:
                await server.write(recording.change if recording.random.random() < 0.1 else recording.step)
            except Undone:
                undone += 1
        assert undone
        await one.read(recording.check)


async def test_what_was_undone_is_forgotten_though_another_server_has_read_as_far(opened: Opened, new: New) -> None:
    recording = Recording(0)

    def undone(tx: Connection) -> None:
        recording.read(tx, 2, -9.0)
        raise Undone

    async with opened() as one, opened() as other:
        recording.id = await one.write(lambda tx: experiments.insert(tx, new()).id)
        await one.write(lambda tx: recording.read(tx, 1, 1.0))
        with pytest.raises(Undone):
            await one.write(undone)
        await other.write(lambda tx: recording.read(tx, 2, 2.0))
        await one.write(lambda tx: recording.read(tx, 3, 3.0))
        await one.read(recording.check)


def test_what_comes_late_of_an_attempt_counts_when_that_is_taken_back(tx: Connection, new: New) -> None:
    recording = Recording(0)
    recording.id = experiments.insert(tx, new()).id
    recording.read(tx, 1, 1.0)
    recording.change(tx)
    recording.read(tx, 2, -9.0)
    recording.change(tx)
    recording.read(tx, 3, 3.0)
    recording.check(tx)
