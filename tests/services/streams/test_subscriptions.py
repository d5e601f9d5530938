"""Channels of logs, whatever a client pays, closes and takes up again: each byte once, and no more than is paid."""

from __future__ import annotations

import asyncio
import json
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from submarine_jupyter.errors import InvalidRequest
from submarine_jupyter_server.feed.point_feed import PointFeed
from submarine_jupyter_server.feed.row_feed import RowFeed
from submarine_jupyter_server.logs.archive import LogArchive
from submarine_jupyter_server.logs.following import growth as growth_module
from submarine_jupyter_server.logs.following.growth import Growth
from submarine_jupyter_server.logs.segment_writer import SegmentWriter
from submarine_jupyter_server.services.logs.log_bytes import LogBytes
from submarine_jupyter_server.services.principal import Principal
from submarine_jupyter_server.services.rows import Rows
from submarine_jupyter_server.services.streams.points import Points
from submarine_jupyter_server.services.streams.subscriptions import Credit, Subscriptions
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.experiments import NewExperiment
from submarine_jupyter_server.store.sqlite.database import SqliteDatabase
from submarine_jupyter_server.wire.frames import FollowLog, Leave, Pay

ME = Principal("ada", owns_all=True)
WIRE = '{"meta": {"name": "n"}, "spec": {"Worker": {"replicas": 9}}}'


@dataclass
class House:
    """A database and an archive, on a loop of their own."""

    runner: asyncio.Runner
    db: SqliteDatabase
    archive: LogArchive
    made: int = 0

    def new(self) -> str:
        """Make an experiment that runs; return its id."""
        self.made += 1
        name = f"experiment-1-{self.made:04}"
        new = NewExperiment(name, f"uid-{self.made}", "ada", "local", "default", "n", "Standalone", WIRE, WIRE, 1)
        self.runner.run(self.db.write(lambda tx: experiments.insert(tx, new)))
        return name


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch, asyncio.Runner() as runner:
        patch.setattr(growth_module, "FASTEST_S", 0.001)
        db = runner.run(SqliteDatabase.open(Path(folder) / "submarine.db"))
        archive = LogArchive(Path(folder) / "runs")
        yield House(runner, db, archive)
        archive.close()
        runner.run(db.close())


class Client:
    """A tab that follows one log on a channel, and what must stand in the log: bytes, None where they are lost."""

    def __init__(self, house: House, name: str, credit: int, *, skip: bool) -> None:
        self.content: list[int | None] = []
        self.name, self.credit, self.skip = name, credit, skip
        self.ch, self.offset, self.owed = 0, 0, 0
        self.ended: dict[str, object] | None = None
        self.came = asyncio.Event()
        self.growth = Growth(house.archive)
        logs = LogBytes(house.db, house.archive, self.growth, {})
        rows, points = Rows(house.db, RowFeed(house.db)), Points(house.db, PointFeed(house.db))
        self.channels = Subscriptions(ME, rows, points, logs, self.take)
        self.open()

    def open(self) -> None:
        """Follow from where it is, on a new channel."""
        self.ch += 1
        self.owed = 0
        self.channels.take(FollowLog(self.ch, self.name, "worker-0", self.credit, offset=self.offset, skip=self.skip))
        with pytest.raises(InvalidRequest):
            self.channels.take(FollowLog(self.ch, self.name, "worker-0", self.credit))

    def pay(self, count: int) -> None:
        """Pay back some of what has come."""
        count = min(count, self.owed)
        self.owed -= count
        self.channels.take(Pay(self.ch, count))

    def leave(self) -> None:
        """Close the channel; what is on its way does not count."""
        self.channels.take(Leave(self.ch))
        self.channels.take(Leave(self.ch))

    async def take(self, frame: str | bytes) -> None:
        """Check a frame: it is what comes next."""
        if isinstance(frame, bytes):
            ch, at = struct.unpack(">Id", frame[:12])
            start, stop = int(at), int(at) + len(frame) - 12
            data: list[int | None] = [*frame[12:]]
        else:
            found = json.loads(frame)
            ch = found["ch"]
            start, stop = found.get("gap") or found.get("skip") or (self.offset, self.offset)
            data = [None] * (stop - start) if "gap" in found else self.content[start:stop]
        if ch != self.ch:
            return
        if not isinstance(frame, bytes) and "end" in found:
            self.ended = found
        else:
            assert (start, data) == (self.offset, self.content[start:stop])
            assert stop > start
            assert isinstance(frame, bytes) or self.skip or "skip" not in found
        if isinstance(frame, bytes):
            self.owed += len(data)
            assert self.owed <= self.credit
        self.offset = stop
        self.came.set()


STEPS = st.lists(
    st.one_of(
        st.binary(min_size=1, max_size=300),
        st.tuples(st.just("lose"), st.integers(1, 100)),
        st.tuples(st.just("pay"), st.integers(0, 400)),
        st.tuples(st.sampled_from(["leave", "wait"]), st.just(0)),
    ),
    max_size=25,
)


@settings(deadline=None, max_examples=60)
@given(steps=STEPS, credit=st.integers(1, 400), skip=st.booleans(), segment=st.integers(50, 1000))
def test_a_log_comes_whole_whatever_its_reader_does(
    house: House, steps: list[bytes | tuple[str, int]], credit: int, skip: bool, segment: int
) -> None:
    name = house.new()
    writer = SegmentWriter(house.archive.at(name, 1, "worker-0").path, segment_bytes=segment)

    async def scenario() -> None:
        client = Client(house, name, credit, skip=skip)
        for step in steps:
            match step:
                case bytes():
                    writer.write(step)
                    client.content += step
                case ("lose", count):
                    writer.skip(count)
                    client.content += [None] * count
                case ("pay", count):
                    client.pay(count)
                case ("leave", _):
                    client.leave()
                    client.open()
                case _:
                    await asyncio.sleep(0.002)
        writer.end()
        async with asyncio.timeout(30):
            while client.ended is None:
                client.pay(credit)
                await client.came.wait()
                client.came.clear()
        assert client.offset == len(client.content)
        whole = None not in client.content
        assert client.ended == {"ch": client.ch, "end": len(client.content), "complete": whole}
        client.channels.close()
        await client.growth.close()

    house.runner.run(scenario())
    writer.close()


@given(
    window=st.integers(1, 1000),
    steps=st.lists(st.tuples(st.sampled_from(["pay", "take"]), st.integers(0, 1500)), max_size=30),
)
def test_no_more_is_lent_than_the_window(window: int, steps: list[tuple[str, int]]) -> None:
    async def scenario() -> None:
        credit, left = Credit(window), window
        for what, count in steps:
            if what == "pay":
                credit.pay(count)
                left = min(left + count, window)
            elif left > 0:
                assert await credit.some() == left
                credit.take(min(count, left))
                left -= min(count, left)
        waiting = asyncio.ensure_future(credit.some())
        await asyncio.sleep(0)
        assert waiting.done() == (left > 0)
        credit.pay(1)
        assert await waiting == max(left, 1)

    asyncio.run(scenario())
