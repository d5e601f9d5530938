"""Every metric is stored once, whatever happens between reading and storing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import Connection

from submarine_jupyter.errors import InvalidSpec, StorageFull, Unavailable
from submarine_jupyter.models import Status
from submarine_jupyter_server.logs.archive import LogArchive
from submarine_jupyter_server.logs.segment_writer import SegmentWriter
from submarine_jupyter_server.metrics import collector as collector_module
from submarine_jupyter_server.metrics import reader as metric_reader
from submarine_jupyter_server.metrics.collector import MetricCollector
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.curves import points
from submarine_jupyter_server.store.curves.points import Chosen
from submarine_jupyter_server.store.experiments import NewExperiment
from submarine_jupyter_server.store.reported import metrics
from submarine_jupyter_server.store.sqlite.database import SqliteDatabase

NewWriter = Callable[..., SegmentWriter]
Result = TypeVar("Result")
EXPERIMENT = "experiment-1647574374688-0002"
FAILED = Status.FAILED


@asynccontextmanager
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    db = await SqliteDatabase.open(tmp_path / "submarine.db")
    new = NewExperiment(EXPERIMENT, "uid", "ada", "local", "default", "mnist", "TensorFlow", "{}", "{}", 1)
    try:
        await db.write(lambda tx: experiments.find(tx, EXPERIMENT) or experiments.insert(tx, new))
        yield db
    finally:
        await db.close()


async def stored(db: SqliteDatabase, attempt: int = 1) -> list[tuple[str, str, float | None, int | None]]:
    rows = await db.read(lambda tx: points.after(tx, Chosen(experiment_id=EXPERIMENT, attempt=attempt)))
    return [(row.replica, row.name, row.value, row.step) for row in rows]


async def _stored_at_least(db: SqliteDatabase, count: int) -> bool:
    return len(await stored(db)) >= count


async def _nothing_watched() -> bool:
    return not any(task.get_name().startswith("metrics of") for task in asyncio.all_tasks())


def metric(step: int) -> bytes:
    return b'submarine-metric {"name": "a", "value": %d, "step": %d}\n' % (step, step)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(40):
        while not await condition():  # noqa: ASYNC110 - a database tells nobody
            await asyncio.sleep(0.02)


async def test_drains_what_has_ended(tmp_path: Path, archive: LogArchive, new_writer: NewWriter) -> None:
    ps, worker = new_writer("ps-0"), new_writer("worker-0")
    ps.write(b"[0]\teval-error:0.5\n", at_ns=1_700_000_000_123_456_789)
    worker.write(b"noise\n" * 100 + b"Accuracy at step 10: 0.91\nloss=nan")
    worker.skip(4)
    worker.write(b"\nloss=0.25")
    async with database(tmp_path) as db:
        collector = MetricCollector(db, archive, metrics)
        await collector.drain(EXPERIMENT, 1, ["loss={loss}"])
        await collector.drain(EXPERIMENT, 1, ["loss={loss}"])
        assert await stored(db) == [
            ("ps-0", "eval-error", 0.5, 0),
            ("worker-0", "accuracy", 0.91, 10),
            ("worker-0", "loss", None, None),
            ("worker-0", "loss", 0.25, None),
        ]
        [first, *_] = await db.read(lambda tx: points.after(tx, Chosen(experiment_id=EXPERIMENT, attempt=1)))
        assert first.at == 1_700_000_000_123
        known = await db.read(lambda tx: metrics.positions(tx, EXPERIMENT, 1))
        assert known == {log.name: log.end for log in archive.replicas(EXPERIMENT)}
        with pytest.raises(InvalidSpec):
            await collector.drain(EXPERIMENT, 1, ["{"])


async def test_watches_a_running_experiment(tmp_path: Path, archive: LogArchive, new_writer: NewWriter) -> None:
    async with database(tmp_path) as db:
        collector = MetricCollector(db, archive, metrics)
        collector.watch(EXPERIMENT, 1)
        collector.watch(EXPERIMENT, 1)
        writer = new_writer()
        for step in range(3):
            writer.write(metric(step)[:20])
            await asyncio.sleep(0.3)
            writer.write(metric(step)[20:])
            await until(partial(_stored_at_least, db, step + 1))
        assert await stored(db) == [("worker-0", "a", float(step), step) for step in range(3)]
        # A newer attempt ends the watch on the older one, after its last words.
        writer.write(metric(3)[:-1])
        new_writer(attempt=2).write(metric(7))
        collector.watch(EXPERIMENT, 2)
        await until(partial(_stored_at_least, db, 4))
        await collector.drain(EXPERIMENT, 2)
        assert await stored(db, 2) == [("worker-0", "a", 7.0, 7)]
        await until(_nothing_watched)
        collector.watch(EXPERIMENT, 3)
        await collector.close()
        assert await _nothing_watched()


class Unreliable:
    """A database whose answers get lost: the write happens or not, and the caller cannot tell."""

    def __init__(self, db: SqliteDatabase, dice: random.Random) -> None:
        self._db = db
        self._dice = dice

    async def read(self, run: Callable[[Connection], Result]) -> Result:
        return await self._db.read(run)

    async def write(self, run: Callable[[Connection], Result]) -> Result:
        if self._dice.random() < 0.3:
            raise Unavailable("before")
        result = await self._db.write(run)
        if self._dice.random() < 0.3:
            raise Unavailable("after")
        return result


@pytest.mark.parametrize("seed", range(5))
async def test_no_metric_is_lost_or_doubled(
    tmp_path: Path, archive: LogArchive, new_writer: NewWriter, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several collectors at once, cancelled at random, on a database whose answers get lost."""
    monkeypatch.setattr(collector_module, "FASTEST_S", 0.001)
    monkeypatch.setattr(collector_module, "_AFTER_FAILURE_S", 0.001)
    monkeypatch.setattr(metric_reader, "SLICE_BYTES", 300)
    dice = random.Random(seed)
    names = ("worker-0", "worker-1")
    writers = [new_writer(name, segment_bytes=700) for name in names]
    async with database(tmp_path) as db:
        collectors = [MetricCollector(Unreliable(db, dice), archive, metrics) for _ in range(2)]
        for step in range(200):
            writer, collector = dice.choice(writers), dice.choice(collectors)
            at = dice.randint(0, len(metric(step)))
            writer.write(metric(step)[:at])
            dice.choice([collector.watch, collector.watch, lambda *_: None])(EXPERIMENT, 1)
            await asyncio.sleep(dice.choice([0, 0, 0.002]))
            writer.write(metric(step)[at:])
            if dice.random() < 0.1:
                await collector.forget(EXPERIMENT, 1)
        for collector in collectors:
            await collector.close()
        await MetricCollector(db, archive, metrics).drain(EXPERIMENT, 1)
        found = await stored(db)
        assert sorted(step for _, _, _, step in found if step is not None) == list(range(200))
        for name in names:
            steps = [step for replica, _, _, step in found if replica == name and step is not None]
            assert steps == sorted(steps)


async def test_a_second_reader_doubles_nothing(tmp_path: Path, archive: LogArchive, new_writer: NewWriter) -> None:
    writer = new_writer()
    async with database(tmp_path) as db:
        readers = [metric_reader.MetricReader(db, archive, metrics, EXPERIMENT, 1, []) for _ in range(2)]
        for reader in readers:
            assert not await reader.catch_up()
        for step in range(5):
            writer.write(metric(step))
            assert await readers[step % 2].catch_up()
        assert [step for _, _, _, step in await stored(db)] == [0, 1, 2, 3, 4]


async def test_goes_on_in_its_epoch(tmp_path: Path, archive: LogArchive, new_writer: NewWriter) -> None:
    writer = new_writer()
    writer.write(b"Epoch 4/9\n")
    async with database(tmp_path) as db:
        await MetricCollector(db, archive, metrics).drain(EXPERIMENT, 1)
        # An epoch of many steps: its progress bar is longer than a slice.
        writer.write(b"".join(b"\r%d/9000 - loss: 9" % step for step in range(1, 9001)))
        writer.write(b"\r9000/9000 - loss: 0.5 - accuracy: 0.9")
        await MetricCollector(db, archive, metrics).drain(EXPERIMENT, 1)
        assert await stored(db) == [("worker-0", "loss", 0.5, 4), ("worker-0", "accuracy", 0.9, 4)]


async def test_a_very_long_line_does_not_stop_the_rest(
    tmp_path: Path, archive: LogArchive, new_writer: NewWriter
) -> None:
    writer = new_writer()
    for _ in range(5):
        writer.write(b"z" * metric_reader.SLICE_BYTES)
    writer.write(b"\n" + metric(1))
    async with database(tmp_path) as db:
        collector = MetricCollector(db, archive, metrics)
        collector.watch(EXPERIMENT, 1)
        await until(partial(_stored_at_least, db, 1))
        await collector.close()


async def test_what_was_read_to_the_end_is_noted_and_what_was_not_is_named(
    tmp_path: Path, archive: LogArchive, new_writer: NewWriter
) -> None:
    writer = new_writer()
    writer.write(metric(1))
    async with database(tmp_path) as db:
        await db.write(lambda tx: experiments.advance(tx, EXPERIMENT, uid="uid", attempt=1, status=FAILED, at_ms=2))
        assert await db.read(metrics.unfinished) == [(EXPERIMENT, 1)]
        await metric_reader.MetricReader(db, archive, metrics, EXPERIMENT, 1, []).catch_up()
        assert await db.read(metrics.unfinished) == [(EXPERIMENT, 1)]
        writer.write(metric(2))
        collector = MetricCollector(db, archive, metrics)
        await collector.finish(EXPERIMENT, 1)
        assert await db.read(metrics.unfinished) == []
        assert [step for _, _, _, step in await stored(db)] == [1, 2]
        await collector.close()


async def test_the_last_metrics_are_stored_once_the_store_takes_them(
    tmp_path: Path, archive: LogArchive, new_writer: NewWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector_module, "_AFTER_FAILURE_S", 0.01)
    new_writer().write(metric(1))

    class Full:
        """Refuses three times, as a full disk does."""

        def __init__(self, db: SqliteDatabase) -> None:
            self._db = db
            self.refused = 0

        async def read(self, run: Callable[[Connection], Result]) -> Result:
            return await self._db.read(run)

        async def write(self, run: Callable[[Connection], Result]) -> Result:
            if self.refused < 3:
                self.refused += 1
                raise StorageFull("There is no space left.")
            return await self._db.write(run)

    async with database(tmp_path) as db:
        collector = MetricCollector(full := Full(db), archive, metrics)
        task = collector.finish(EXPERIMENT, 1)
        assert collector.finish(EXPERIMENT, 1) is task
        await asyncio.wait_for(task, 20)
        assert full.refused == 3
        assert [step for _, _, _, step in await stored(db)] == [1]
        full.refused = -(10**6)
        hopeless = collector.finish(EXPERIMENT, 2)
        await asyncio.wait_for(collector.close(), 5)
        assert hopeless.done()


async def test_a_watch_ends_by_itself_when_nobody_says_that_its_attempt_has_ended(
    tmp_path: Path, archive: LogArchive, new_writer: NewWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector_module, "FASTEST_S", 0.001)
    monkeypatch.setattr(collector_module, "SLOWEST_S", 0.001)
    new_writer().write(metric(1)[:-1])
    async with database(tmp_path) as db:
        collector = MetricCollector(db, archive, metrics)
        collector.watch(EXPERIMENT, 1)
        await asyncio.sleep(0.1)
        assert not await _nothing_watched()
        await db.write(lambda tx: experiments.advance(tx, EXPERIMENT, uid="uid", attempt=1, status=FAILED, at_ms=2))
        await until(_nothing_watched)
        assert [step for _, _, _, step in await stored(db)] == [1]
        await collector.close()


async def test_there_are_only_so_many_names_and_settings(
    tmp_path: Path, archive: LogArchive, new_writer: NewWriter
) -> None:
    writer = new_writer()
    for number in range(metric_reader.MAX_NAMES + 50):
        writer.write(
            b'submarine-metric {"name": "m%d", "value": 1}\nsubmarine-param {"name": "p%d", "value": 1}\n'
            % (number, number)
        )
    writer.write(b'submarine-metric {"name": "m7", "value": 2}\nsubmarine-param {"name": "p7", "value": "x"}\n')
    async with database(tmp_path) as db:
        await MetricCollector(db, archive, metrics).drain(EXPERIMENT, 1)
        assert len(await db.read(lambda tx: metrics.names(tx, EXPERIMENT, 1))) == metric_reader.MAX_NAMES
        assert [value for _, name, value, _ in await stored(db) if name == "m7"] == [1, 2]
        told = await db.read(lambda tx: metrics.settings(tx, EXPERIMENT, 1))
        assert len(told) == metrics.MAX_PARAMS
        assert told["p7"] == '"x"'
