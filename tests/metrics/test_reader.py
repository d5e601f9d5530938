"""A reader of metrics passes gaps and logs that cannot be read, and says when all was read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from submarine_jupyter_server.logs.archive import LogArchive
from submarine_jupyter_server.logs.segment_writer import SegmentWriter
from submarine_jupyter_server.metrics.reader import MetricReader
from submarine_jupyter_server.store.reported import metrics
from tests.logs.conftest import EXPERIMENT
from tests.metrics.test_collector import database, metric, stored

NewWriter = Callable[..., SegmentWriter]


async def test_gaps_and_unreadable_logs_hold_up_nothing(
    tmp_path: Path, archive: LogArchive, new_writer: NewWriter
) -> None:
    writer = new_writer("worker-1")
    writer.skip(100)
    writer.write(metric(1)[:20])
    writer.skip(7)
    writer.write(metric(2))
    writer.skip(3)
    writer.end()
    [log] = archive.replicas(EXPERIMENT)
    (log.path.parent / "worker-0").symlink_to(log.path)
    async with database(tmp_path) as db:
        reader = MetricReader(db, archive, metrics, EXPERIMENT, 1, [])
        await reader.catch_up(final=True)
        assert [(name, step) for name, _, _, step in await stored(db)] == [("worker-1", 2)]
        assert await db.read(lambda tx: metrics.positions(tx, EXPERIMENT, 1)) == {"worker-1": log.end}


async def test_an_end_is_noted_only_where_another_reader_has_not_moved_on(
    tmp_path: Path, archive: LogArchive, new_writer: NewWriter
) -> None:
    writer = new_writer()
    writer.write(metric(1))
    async with database(tmp_path) as db:
        first, second = (MetricReader(db, archive, metrics, EXPERIMENT, 1, []) for _ in range(2))
        await first.catch_up()
        writer.write(metric(2))
        await second.catch_up()
        writer.write(metric(3))
        await first.catch_up(final=True)
        assert [step for _, _, _, step in await stored(db)] == [1, 2, 3]
