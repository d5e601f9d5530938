"""A followed log tells every state in order and ends, whenever its follower comes and whatever happens meanwhile.

The database, the feed and the archive are real; what happens is put between two steps of the follower, at each in turn.
"""

from __future__ import annotations

import asyncio
import json
import types
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from submarine_jupyter.models import Status
from submarine_jupyter_server.control import lifecycle
from submarine_jupyter_server.feed.event_feed import EventFeed
from submarine_jupyter_server.logs.archive import LogArchive
from submarine_jupyter_server.logs.following import follow as follow_module
from submarine_jupyter_server.logs.following.growth import Growth
from submarine_jupyter_server.logs.segment_writer import SegmentWriter
from submarine_jupyter_server.services.logs.log_stream import States, log_stream, merged
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.experiments import NewExperiment
from submarine_jupyter_server.store.reported import events
from submarine_jupyter_server.store.sqlite import connection
from submarine_jupyter_server.store.sqlite.database import SqliteDatabase
from submarine_jupyter_server.targets.protocol import Observation

ORDER = ("Accepted", "Created", "Running", "Succeeded")


@dataclass
class World:
    """One data directory as two servers have it: ``db`` and ``feed`` are the follower's, ``other`` writes."""

    db: SqliteDatabase
    feed: EventFeed
    growth: Growth
    other: SqliteDatabase
    runs: Path

    async def add(self, number: int) -> str:
        name = f"experiment-1647574374688-{number:04d}"
        new = NewExperiment(name, f"uid-{number}", "ada", "local", "default", "x", "Standalone", "{}", "{}", 1)
        await self.db.write(lambda tx: lifecycle.record(tx, experiments.insert(tx, new), "accepted"))
        return name

    async def become(self, name: str, status: str) -> None:
        """Let the other server record a status."""
        seen = Observation(name, f"uid-{int(name[-4:])}", 1, 1, Status(status), ORDER.index(status) + 2)
        await self.other.write(lambda tx: lifecycle.apply(tx, seen))

    def writer(self, name: str) -> SegmentWriter:
        return SegmentWriter(self.runs / name / "1" / "logs" / "worker-0")

    async def follow(self, name: str) -> list[tuple[str, Any]]:
        """Follow to the end; return (event, status or lines)."""
        row, seq = await self.db.read(lambda tx: (experiments.find(tx, name), events.last_seq(tx)))
        assert row is not None
        seen: list[tuple[str, Any]] = []
        async for message in log_stream(States(self.db, row, seq), self.feed, self.growth):
            await asyncio.sleep(0.05)  # a client that takes its time: the feed goes on meanwhile
            if message is not None:
                data = json.loads(message.data)
                seen.append((message.event, data.get("status") or data.get("lines")))
        return seen


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    db, other = await SqliteDatabase.open(folder / "submarine.db"), await SqliteDatabase.open(folder / "submarine.db")
    feed, archive = EventFeed(db), LogArchive(folder / "runs")
    db.on_commit = other.on_commit = feed.committed
    growth = Growth(archive)
    await feed.start()
    try:
        yield World(db, feed, growth, other, folder / "runs")
    finally:
        await growth.close()
        archive.close()
        await feed.close()
        await other.close()
        await db.close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow_module, "PATIENCE_S", 0.1)


Step = Callable[[], None]
_step: ContextVar[Step | None] = ContextVar("_step", default=None)


@types.coroutine
def stepped(coroutine: Coroutine[Any, Any, Any], step: Step) -> Generator[Any, Any, Any]:
    """Run a coroutine and call ``step`` before each of its steps."""
    run, value = coroutine.send, None
    while True:
        step()
        try:
            waited = run(value)
        except StopIteration as end:
            return end.value
        try:
            run, value = coroutine.send, (yield waited)
        except BaseException as error:  # noqa: BLE001 - handed on
            run, value = coroutine.throw, error


@pytest.fixture
def steps(jp_asyncio_loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Let ``_step`` be called before each step of each task that is begun where it is set."""

    def factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        step = _step.get()
        return asyncio.Task(coroutine if step is None else stepped(coroutine, step), loop=loop, **options)

    jp_asyncio_loop.set_task_factory(factory)
    yield
    jp_asyncio_loop.set_task_factory(None)


def in_order(seen: list[tuple[str, Any]]) -> list[str]:
    """Return the states told, having checked that none comes twice or late, and that the stream ends with the last."""
    states = [value for event, value in seen if event == "state"]
    assert states == sorted(set(states), key=ORDER.index), seen
    assert seen[-1] == ("end", states[-1]), seen
    return states


@pytest.mark.usefixtures("steps")
@pytest.mark.parametrize("begun", ["Accepted", "Created", "Running"])
async def test_ends_whenever_the_experiment_ends(tmp_path: Path, begun: str) -> None:
    """The end is put before each step of a follower in turn; each has an experiment of its own."""
    chosen: set[int] = set()

    async def one(here: World, at: int) -> None:
        name = await here.add(at)
        for status in ORDER[1 : ORDER.index(begun) + 1]:
            await here.become(name, status)
        writer = here.writer(name)
        writer.write(b"line\n")
        writer.end()
        taken = 0

        def step() -> None:
            nonlocal taken
            if taken == at:
                finish(tmp_path / "submarine.db", name)
                here.feed.committed()
                chosen.add(at)
            taken += 1

        _step.set(step)
        follower = asyncio.create_task(here.follow(name))
        await asyncio.wait([follower], timeout=3)
        while taken <= at:
            step()  # it did not take that many
        async with asyncio.timeout(30):
            seen = await follower
        in_order(seen)
        assert seen[-1] == ("end", "Succeeded")
        assert ("log", ["line"]) in seen

    async with world(tmp_path) as here:
        await asyncio.gather(*(one(here, at) for at in range(30)))
    assert chosen == set(range(30))


def finish(path: Path, name: str) -> None:
    """Record all that is left of an experiment's life while the loop of the follower stands still."""
    with connection.opened(path) as tx:
        tx.exec_driver_sql("BEGIN IMMEDIATE")
        for number, status in enumerate(ORDER[1:], 3):
            seen = Observation(name, f"uid-{int(name[-4:])}", 1, 1, Status(status), number)
            lifecycle.apply(tx, seen)
        tx.exec_driver_sql("COMMIT")


async def test_comes_after_the_end_and_after_the_events_are_gone(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        name = await here.add(1)
        writer = here.writer(name)
        writer.write(b"line\n")
        writer.end()
        for status in ORDER[1:]:
            await here.become(name, status)
        await here.db.write(lambda tx: events.purge(tx, 2**62))
        seen = await here.follow(name)
        assert seen == [("state", "Succeeded"), ("log", ["line"]), ("end", "Succeeded")]


async def test_a_state_whose_event_was_purged_is_told(tmp_path: Path) -> None:
    """A server that slept for a month wakes up: the row says what the events do not say any more."""
    async with world(tmp_path) as here:
        name = await here.add(1)
        row, seq = await here.db.read(lambda tx: (experiments.find(tx, name), events.last_seq(tx)))
        assert row is not None
        states = States(here.db, row, seq)
        await here.become(name, "Running")
        await here.db.write(lambda tx: events.purge(tx, 2**62))
        assert [state["status"] for state in await states.refresh()] == ["Running"]
        assert await states.refresh() == []
        assert states.allows(1)
        assert not states.allows(2)


async def test_lines_wait_for_their_state(tmp_path: Path) -> None:
    """The files are polled faster than the events of another server."""
    async with world(tmp_path) as here:
        name = await here.add(1)
        follower = asyncio.create_task(here.follow(name))
        await asyncio.sleep(0.1)
        writer = here.writer(name)
        writer.write(b"step 0\n")
        await asyncio.sleep(0.2)
        for status in ORDER[1:3]:
            await here.become(name, status)
        writer.write(b"step 1\n")
        writer.end()
        await here.become(name, "Succeeded")
        seen = await asyncio.wait_for(follower, 20)
        assert in_order(seen)[:1] == ["Accepted"]
        first = next(number for number, (event, _) in enumerate(seen) if event == "log")
        assert seen[:first] in (
            [("state", status) for status in ORDER[:3]],
            [("state", status) for status in ORDER],
        )


async def test_lines_do_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("submarine_jupyter_server.services.logs.log_stream.AWAITED_S", 0.2)
    async with world(tmp_path) as here:
        name = await here.add(1)
        writer = here.writer(name)
        writer.write(b"step 0\n")
        row, seq = await here.db.read(lambda tx: (experiments.find(tx, name), events.last_seq(tx)))
        assert row is not None
        stream = log_stream(States(here.db, row, seq), here.feed, here.growth)
        first, second = await anext(stream), await asyncio.wait_for(anext(stream), 20)
        assert first is not None
        assert second is not None
        assert (first.event, second.event) == ("state", "log")
        await stream.aclose()


async def test_an_experiment_that_is_deleted_meanwhile_ends(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        name = await here.add(1)
        follower = asyncio.create_task(here.follow(name))
        await asyncio.sleep(0.1)
        await here.db.write(lambda tx: _delete(tx, name))
        seen = await asyncio.wait_for(follower, 20)
        assert seen[-2:] == [("state", "Deleted"), ("end", "Deleted")]


def _delete(tx: Any, name: str) -> None:
    experiments.mark_deleted(tx, name, 9)
    row = experiments.find(tx, name, include_deleted=True)
    assert row is not None
    lifecycle.record(tx, row, "deleted")


async def test_what_was_merged_is_closed() -> None:
    closed: list[int] = []

    async def source(number: int) -> AsyncIterator[int]:
        try:
            yield number
            await asyncio.Event().wait()
        finally:
            closed.append(number)

    async for _ in (stream := merged(source(1), source(2))):
        break
    await stream.aclose()
    assert sorted(closed) == [1, 2]
