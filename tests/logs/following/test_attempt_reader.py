"""One follower: where it is, what it has, and that an unreadable log hides no other."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from submarine_jupyter_server.logs.archive import LogArchive
from submarine_jupyter_server.logs.following.attempt_reader import AttemptReader, LogEvent
from submarine_jupyter_server.logs.following.growth import Growth
from submarine_jupyter_server.logs.layout import segment_name
from submarine_jupyter_server.logs.position import Position
from submarine_jupyter_server.logs.segment_writer import SegmentWriter
from tests.logs.conftest import EXPERIMENT

NewWriter = Callable[..., SegmentWriter]


async def all_of(follower: AttemptReader, *, final: bool = False) -> list[LogEvent]:
    return [event async for event in follower.read(final=final)]


async def test_goes_on_from_its_position(archive: LogArchive, new_writer: NewWriter) -> None:
    for name in ("worker-0", "worker-1"):
        writer = new_writer(name)
        writer.write(b"one\ntwo\n")
        writer.end()
    growth = Growth(archive)
    async with growth.watch(EXPERIMENT, 1) as watch:
        follower = AttemptReader(watch, 1, position=Position(1, {"worker-0": 4, "worker-1": 8}))
        assert [event.lines for event in await all_of(follower)] == ['["two"]']
        assert follower.position == "1.worker-0:8,worker-1:8"
        assert follower.drained
        assert follower.complete
        only = AttemptReader(watch, 1, ["worker-1"])
        assert [event.data["replica"] for event in await all_of(only)] == ["worker-1"]
    await growth.close()


async def test_a_segment_that_is_a_link_hides_no_other_log(archive: LogArchive, new_writer: NewWriter) -> None:
    for name in ("worker-0", "worker-1"):
        writer = new_writer(name)
        writer.write(b"line\n")
        writer.end()
    growth = Growth(archive)
    async with growth.watch(EXPERIMENT, 1) as watch:
        # Between the look and the read.
        path = archive.replicas(EXPERIMENT)[0].path / segment_name(0)
        os.rename(path, path.with_name("moved"))
        path.symlink_to("moved")
        follower = AttemptReader(watch, 1)
        events = await all_of(follower, final=True)
        assert [event.data["replica"] for event in events if event.event == "log"] == ["worker-1"]
        assert [event.event for event in events] in (["log"], ["gap", "log"])
    await growth.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
async def test_a_log_that_may_not_be_read_is_incomplete(archive: LogArchive, new_writer: NewWriter) -> None:
    writer = new_writer()
    writer.write(b"line\n")
    writer.end()
    [log] = archive.replicas(EXPERIMENT)
    (log.path / segment_name(0)).chmod(0)
    growth = Growth(archive)
    async with growth.watch(EXPERIMENT, 1) as watch:
        follower = AttemptReader(watch, 1)
        assert await all_of(follower, final=True) == []
        assert follower.drained
        assert not follower.complete
    await growth.close()
