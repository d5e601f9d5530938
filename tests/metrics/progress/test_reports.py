"""How far an attempt is, is stored now and then, for the replica that leads, and is the same after a restart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection

from submarine_jupyter_server.logs.archive import LogArchive
from submarine_jupyter_server.logs.segment_writer import SegmentWriter
from submarine_jupyter_server.metrics.progress import reports
from submarine_jupyter_server.metrics.progress.reports import Report, Reports
from submarine_jupyter_server.metrics.reader import MetricReader
from submarine_jupyter_server.store.annotations import row_changes
from submarine_jupyter_server.store.lists import summaries
from submarine_jupyter_server.store.reported import metrics
from submarine_jupyter_server.store.sqlite.database import SqliteDatabase
from tests.logs.conftest import EXPERIMENT
from tests.metrics.test_collector import database

NewWriter = Callable[..., SegmentWriter]
AT_MS = 1_700_000_000_000


def bar(done: int, label: str = "") -> bytes:
    return f"\r{label}{done}%|#   | {done}/100 [00:01<00:0{9 - done // 12}, 9.0it/s]".encode()


def write(writer: SegmentWriter, data: bytes, seconds: int) -> None:
    writer.write(data, at_ns=(AT_MS + seconds * 1000) * 1_000_000)


async def stored(db: SqliteDatabase) -> Report | None:
    return await db.read(lambda tx: metrics.reported(tx, EXPERIMENT, 1))


async def changes(db: SqliteDatabase) -> int:
    """Return a number that grows with each change of a row."""
    return (await db.read(row_changes.place)).rest


async def test_a_bar_that_moves_is_stored_when_it_is_time(
    tmp_path: Path, archive: LogArchive, new_writer: NewWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = new_writer()
    async with database(tmp_path) as db:
        reader = MetricReader(db, archive, metrics, EXPERIMENT, 1, [])
        write(writer, b"starting\n" + bar(3), 1)
        assert await reader.catch_up()
        assert await stored(db) == Report(3.0, 9, "tqdm", "", AT_MS + 1000)
        monkeypatch.setattr(reports, "EACH_S", 3600)
        first = await changes(db)
        for done in range(4, 50):
            write(writer, bar(done) + b"\n" * (done % 2), done)
            assert await reader.catch_up(), "it waits to be stored"
        assert (await changes(db), await stored(db)) == (first, Report(3.0, 9, "tqdm", "", AT_MS + 1000))
        monkeypatch.setattr(reports, "EACH_S", 0)
        await reader.catch_up()
        assert await stored(db) == Report(49.0, 5, "tqdm", "", AT_MS + 49_000)
        assert await changes(db) == first + 1
        # What is drawn again and has not moved is no change; nothing is read, and nothing is written.
        write(writer, bar(49) + b"\n", 60)
        await reader.catch_up()
        assert not await reader.catch_up()
        assert (await stored(db), await changes(db)) == (Report(49.0, 5, "tqdm", "", AT_MS + 49_000), first + 1)
        monkeypatch.setattr(reports, "EACH_S", 3600)
        write(writer, bar(50), 61)
        await reader.catch_up(final=True)
        assert await stored(db) == Report(50.0, 5, "tqdm", "", AT_MS + 61_000)


async def test_after_a_restart_it_is_what_it_was(tmp_path: Path, archive: LogArchive, new_writer: NewWriter) -> None:
    writer = new_writer()
    write(writer, bar(10, "a: "), 1)
    write(writer, bar(11, "a: "), 2)
    write(writer, b"\n" + b"x" * 70_000 + b"\n", 9)
    async with database(tmp_path) as db:
        await MetricReader(db, archive, metrics, EXPERIMENT, 1, []).catch_up()
        before, known = await changes(db), await stored(db)
        assert known == Report(11.0, 9, "tqdm", "a", AT_MS + 2000)
        again = MetricReader(db, archive, metrics, EXPERIMENT, 1, [])
        assert not await again.catch_up()
        # So much is not read again: what is stored stays.
        write(writer, b"y" * 2**21 + b"\n", 10)
        await again.catch_up()
        await MetricReader(db, archive, metrics, EXPERIMENT, 1, []).catch_up()
        assert (await stored(db), await changes(db)) == (known, before)


async def test_the_replica_that_leads_counts(
    tmp_path: Path, archive: LogArchive, new_writer: NewWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "EACH_S", 0)
    async with database(tmp_path) as db:
        reader = MetricReader(db, archive, metrics, EXPERIMENT, 1, [])
        for name, percent in (("ps-0", 1), ("worker-1", 2), ("worker-0", 3), ("evaluator-0", 3), ("master-0", 4)):
            write(new_writer(name), bar(int(name != "evaluator-0") and percent), 1)
            await reader.catch_up()
            assert (found := await stored(db)) is not None
            assert found.percent == percent
        # One that is ahead does not count, nor does an attempt before this one.
        assert await db.read(lambda tx: metrics.reported(tx, EXPERIMENT, 2)) is None


def test_nothing_waits_where_nothing_was_said() -> None:
    known = Reports()
    known.note("worker-0", None)
    assert known.waiting is None
    report = Report(None, None, "tqdm", "", 5)
    known.note("worker-0", report)
    assert [known.waiting, known.due] == [report, True]
    known.note_stored(report)
    assert [known.waiting, known.due] == [None, False]


async def test_rows_have_the_progress_of_the_present_attempt(tmp_path: Path) -> None:
    async with database(tmp_path) as db:

        def report(tx: Connection, attempt: int, percent: float) -> Report | None:
            metrics.report(tx, EXPERIMENT, attempt, Report(percent, 3, "keras", "l", 7))
            return summaries.of(tx, [EXPERIMENT])[0].progress

        assert await db.write(lambda tx: report(tx, 1, 5.0)) == Report(5.0, 3, "keras", "l", 7)
        assert await db.write(lambda tx: report(tx, 2, 6.0)) == Report(5.0, 3, "keras", "l", 7)
