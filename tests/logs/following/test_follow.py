"""Followers see every line once, in order, wherever they are cut off and come back."""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from submarine_jupyter_server.logs.archive import LogArchive, ReplicaLog
from submarine_jupyter_server.logs.following import attempt_reader as follower_module
from submarine_jupyter_server.logs.following import follow as follow_module
from submarine_jupyter_server.logs.following.attempt_reader import LogEvent
from submarine_jupyter_server.logs.following.follow import follow
from submarine_jupyter_server.logs.following.growth import FASTEST_S, Growth
from submarine_jupyter_server.logs.lines.blocks import BLOCK_BYTES, BLOCK_LINES
from submarine_jupyter_server.logs.lines.view import LINE_BYTES, shown
from submarine_jupyter_server.logs.position import Position, parse_position
from submarine_jupyter_server.logs.segment_writer import SegmentWriter
from tests.logs.conftest import runs

NewWriter = Callable[..., SegmentWriter]
EXPERIMENT = "experiment-1647574374688-0002"


@pytest.fixture
def growth(archive: LogArchive, jp_asyncio_loop: asyncio.AbstractEventLoop) -> Iterator[Growth]:
    growth = Growth(archive)
    yield growth
    jp_asyncio_loop.run_until_complete(growth.close())
    others = asyncio.all_tasks(jp_asyncio_loop)
    assert not others, others


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow_module, "PATIENCE_S", 0.1)
    monkeypatch.setattr(follower_module, "PARTIAL_S", 0.1)


def kept_lines(log: ReplicaLog) -> list[str]:
    """Return all lines of a log that has ended; a hole ends a line."""
    lines: list[str] = []
    for _, data in runs(log):
        *whole, rest = data.split(b"\n")
        lines += [shown(line) for line in whole] + ([shown(rest)] if rest else [])
    return lines


async def collect(events: AsyncIterator[LogEvent]) -> list[LogEvent]:
    found = [event async for event in events]
    for event in found:
        assert json.loads(event.json()) == event.data | ({"lines": json.loads(event.lines)} if event.lines else {})
    return found


def lines_of(events: list[LogEvent], replica: str = "worker-0") -> list[str]:
    found: list[str] = []
    for event in events:
        if event.event == "log" and event.data["replica"] == replica:
            found += json.loads(event.lines)
    return found


async def test_a_finished_experiment(growth: Growth, new_writer: NewWriter) -> None:
    for name, data in (("worker-0", b"one\ntwo\n\nunfinished"), ("ps-0", b"ready\n"), ("worker-1", b"")):
        writer = new_writer(name)
        writer.write(data)
        writer.end()
    events = await collect(follow(growth, EXPERIMENT, finished=lambda: True))
    about = {"podName": f"{EXPERIMENT}-worker-0", "replica": "worker-0", "attempt": 1}
    assert events == [
        LogEvent(
            "1.ps-0:6,worker-0:0,worker-1:0",
            "log",
            about | {"podName": f"{EXPERIMENT}-ps-0", "replica": "ps-0", "offset": 0},
            '["ready"]',
        ),
        LogEvent("1.ps-0:6,worker-0:9,worker-1:0", "log", about | {"offset": 0}, '["one", "two", ""]'),
        LogEvent("1.ps-0:6,worker-0:19,worker-1:0", "log", about | {"offset": 9}, '["unfinished"]'),
        LogEvent("1.ps-0:6,worker-0:19,worker-1:0", "end", {"complete": True}),
    ]


async def test_waits_for_lines_replicas_and_attempts(growth: Growth, new_writer: NewWriter) -> None:
    """Each step is written when the one before it was seen."""
    over = False
    seen: list[object] = []
    writers: dict[str, SegmentWriter] = {}

    def begin(name: str, attempt: int, data: bytes) -> None:
        writers[name] = new_writer(name, attempt=attempt)
        writers[name].write(data)

    def scale_up() -> None:
        begin("worker-1", 1, b"third\n")

    def retry() -> None:
        for writer in writers.values():
            writer.end()
        begin("worker-0", 2, b"fourth\n")

    def end() -> None:
        nonlocal over
        writers["worker-0"].write(b"fifth")
        writers["worker-0"].end()
        over = True

    steps: list[Callable[[], object]] = [
        lambda: begin("worker-0", 1, b"first\n"),
        lambda: writers["worker-0"].write(b"second\n"),
        scale_up,
        retry,
        end,
    ]
    todo = iter(steps)
    asyncio.get_running_loop().call_later(0.1, next(todo))
    async for event in follow(growth, EXPERIMENT, finished=lambda: over):
        assert event.event in ("log", "end")
        seen.append((event.data.get("attempt"), event.data.get("replica"), event.lines))
        for step in todo:
            step()
            break
    assert seen == [
        (1, "worker-0", '["first"]'),
        (1, "worker-0", '["second"]'),
        (1, "worker-1", '["third"]'),
        (2, "worker-0", '["fourth"]'),
        (2, "worker-0", '["fifth"]'),
        (None, None, ""),
    ]


pieces = st.lists(
    st.one_of(
        st.sampled_from([b"\n", b"\r", b"\r\n", b"line\n", b"\xf0\x9f", b"\x1b[31mred", b"\x1b]0;t", b"x" * 300]),
        st.binary(max_size=20),
        st.integers(1, 50),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(logs=st.lists(pieces, min_size=1, max_size=3), segment_bytes=st.integers(1, 200), seed=st.integers())
def test_no_line_is_lost_or_doubled_over_any_cuts(
    tmp_path_factory: pytest.TempPathFactory, logs: list[list[bytes | int]], segment_bytes: int, seed: int
) -> None:
    runs = tmp_path_factory.mktemp("runs")
    for number, steps in enumerate(logs):
        writer = SegmentWriter(runs / EXPERIMENT / "1" / "logs" / f"worker-{number}", segment_bytes=segment_bytes)
        for step in steps:
            if isinstance(step, int):
                writer.skip(step)
            else:
                writer.write(step)
        writer.end()
    archive = LogArchive(runs)
    events = asyncio.run(_with_cuts(archive, random.Random(seed), lambda: True))
    archive.close()
    for log in archive.replicas(EXPERIMENT):
        assert lines_of(events, log.name) == kept_lines(log)
        gaps = [event.data for event in events if event.event == "gap" and event.data["replica"] == log.name]
        assert [(gap["from"], gap["to"]) for gap in gaps] == log.gaps()
    assert events[-1].data == {"complete": not any(log.gaps() for log in archive.replicas(EXPERIMENT))}


async def _with_cuts(archive: LogArchive, dice: random.Random, finished: Callable[[], bool]) -> list[LogEvent]:
    """Follow to the end, leaving after every few events and coming back with the id of the last one."""
    growth = Growth(archive)
    events: list[LogEvent] = []
    while not events or events[-1].event != "end":
        position = parse_position(events[-1].id) if events else None
        left = dice.randint(1, 4)
        async with aclosing(follow(growth, EXPERIMENT, finished=finished, position=position)) as stream:
            async for event in stream:
                events.append(event)
                left -= 1
                if left == 0:
                    break
    await growth.close()
    return events


@pytest.mark.parametrize("seed", range(3))
async def test_no_line_is_lost_or_doubled_while_it_is_written(
    archive: LogArchive, new_writer: NewWriter, seed: int
) -> None:
    dice = random.Random(seed)
    over = threading.Event()

    def write() -> None:
        writers = [new_writer(f"worker-{number}", segment_bytes=3000) for number in range(3)]
        for number in range(600):
            data = b"".join(b"%d.%d " % (number, i) * dice.randint(0, 9) + b"\n" for i in range(dice.randint(0, 9)))
            at = dice.randint(0, len(data))
            writer = dice.choice(writers)
            writer.write(data[:at])
            if dice.random() < 0.05:
                time.sleep(0.02)
            writer.write(data[at:])
            if dice.random() < 0.02:
                writer.skip(dice.randint(1, 1000))
        for writer in writers:
            writer.write(b"unfinished")
            writer.end()
        over.set()

    thread = threading.Thread(target=write)
    thread.start()
    events = await _with_cuts(archive, dice, over.is_set)
    thread.join()
    for log in archive.replicas(EXPERIMENT):
        assert lines_of(events, log.name) == kept_lines(log)


async def test_a_position_the_log_does_not_have(growth: Growth, new_writer: NewWriter) -> None:
    writer = new_writer()
    writer.write(b"one\n")
    writer.skip(6)
    writer.write(b"two\n")
    writer.end()

    async def follow_from(attempt: int, **offsets: int) -> list[tuple[str, object, object]]:
        position = Position(attempt, {name.replace("_", "-"): offset for name, offset in offsets.items()})
        events = await collect(follow(growth, EXPERIMENT, finished=lambda: True, position=position))
        return [(event.event, event.lines or event.data["from"], event.data.get("to")) for event in events[:-1]]

    assert await follow_from(1, worker_0=14) == []
    assert await follow_from(1, worker_0=10**15) == [("gap", 10**15, 14)]
    assert await follow_from(1, worker_0=7) == [("gap", 7, 10), ("log", '["two"]', None)]
    assert await follow_from(1, worker_0=2, worker_7=5) == [
        ("log", '["e"]', None),
        ("gap", 4, 10),
        ("log", '["two"]', None),
    ]
    whole = [("log", '["one"]', None), ("gap", 4, 10), ("log", '["two"]', None)]
    assert await follow_from(0, worker_0=14) == await follow_from(9, worker_0=14) == whole


async def test_only_the_replicas_and_the_attempt_asked_for(growth: Growth, new_writer: NewWriter) -> None:
    for attempt in (1, 2):
        for name in ("worker-0", "worker-1"):
            writer = new_writer(name, attempt=attempt)
            writer.write(b"%d %s\n" % (attempt, name.encode()))
            writer.end()
    events = await collect(follow(growth, EXPERIMENT, finished=lambda: False, replicas={"worker-1"}, attempt=1))
    assert lines_of(events, "worker-1") == ["1 worker-1"]
    assert [event.event for event in events] == ["log", "end"]
    assert lines_of(await collect(follow(growth, EXPERIMENT, finished=lambda: True))) == ["2 worker-0"]


async def test_an_experiment_that_never_began_ends_too(growth: Growth) -> None:
    over = False

    async def finished() -> bool:
        return over

    events: list[LogEvent] = []
    async for event in follow(growth, EXPERIMENT, finished=finished, heartbeat_s=0.05):
        events.append(event)
        over = len(events) == 3
    assert events[:3] == [LogEvent("0.", "ping", {})] * 3
    assert events[-1] == LogEvent("0.", "end", {"complete": True})


@pytest.mark.usefixtures("impatient")
async def test_a_log_whose_writer_was_killed_ends_incomplete(growth: Growth, new_writer: NewWriter) -> None:
    new_writer().write(b"whole\nhalf")
    events = await collect(follow(growth, EXPERIMENT, finished=lambda: True))
    assert lines_of(events) == ["whole", "half"]
    assert events[-1] == LogEvent("1.worker-0:10", "end", {"complete": False})


@pytest.mark.usefixtures("impatient")
async def test_a_progress_bar_is_shown_before_its_line_ends(growth: Growth, new_writer: NewWriter) -> None:
    writer = new_writer()
    writer.write(b"Epoch 1\n 10%|#\r")
    events: list[LogEvent] = []
    async for event in follow(growth, EXPERIMENT, finished=lambda: len(events) > 2):
        events.append(event)
        if event.data.get("text") == " 10%|#":
            writer.write(b" 50%|##\r")
        if event.data.get("text") == " 50%|##":
            writer.write(b"100%|###\n")
            writer.end()
    assert [(event.event, event.id) for event in events] == [
        ("log", "1.worker-0:8"),
        ("partial", "1.worker-0:8"),
        ("partial", "1.worker-0:8"),
        ("log", "1.worker-0:32"),
        ("end", "1.worker-0:32"),
    ]
    assert lines_of(events) == ["Epoch 1", "100%|###"]


async def test_events_are_small_however_long_the_lines(growth: Growth, new_writer: NewWriter) -> None:
    writer = new_writer()
    writer.write(b"\n" * (3 * BLOCK_LINES) + b"z" * (40 * BLOCK_BYTES) + b"\nlast\n")
    writer.end()
    before = psutil.Process().memory_info().rss
    events = await collect(follow(growth, EXPERIMENT, finished=lambda: True))
    assert psutil.Process().memory_info().rss - before < 32 * 1024 * 1024
    logs = [event for event in events if event.event == "log"]
    assert max(len(json.loads(event.lines)) for event in logs) == BLOCK_LINES
    assert lines_of(events)[:-2] == [""] * (3 * BLOCK_LINES)
    assert lines_of(events)[-2].endswith(f" … [{40 * BLOCK_BYTES - LINE_BYTES} more bytes in this line]")
    assert lines_of(events)[-1] == "last"


class CountingArchive(LogArchive):
    """Counts what is read from the disk."""

    def __init__(self, runs: Path) -> None:
        super().__init__(runs)
        self.looks = 0

    def replicas(self, experiment_id: str, attempt: int | None = None) -> list[ReplicaLog]:
        self.looks += 1
        return super().replicas(experiment_id, attempt)


async def test_many_followers_cost_one_poll_and_stalled_ones_hold_nobody(tmp_path: Path, new_writer: NewWriter) -> None:
    archive = CountingArchive(tmp_path / "runs")
    growth = Growth(archive)
    over = False
    writer = new_writer()
    line = b"x" * 99 + b"\n"
    writer.write(line * 10_000)
    stalled = [follow(growth, EXPERIMENT, finished=lambda: over) for _ in range(100)]
    readers = [follow(growth, EXPERIMENT, finished=lambda: over) for _ in range(100)]
    before = psutil.Process().memory_info().rss
    held = [await anext(stream) for stream in stalled]
    archive.looks = 0
    begun = time.monotonic()

    async def count(stream: AsyncGenerator[LogEvent, None]) -> int:
        return len(lines_of([event async for event in stream]))

    tasks = [asyncio.create_task(count(stream)) for stream in readers]
    for _ in range(20):
        writer.write(line)
        await asyncio.sleep(0.05)
    writer.end()
    over = True
    assert await asyncio.gather(*tasks) == [10_020] * 100
    # One look per poll, and one more for those who see the end together.
    assert archive.looks <= (time.monotonic() - begun) / FASTEST_S + 10
    assert psutil.Process().memory_info().rss - before < 64 * 1024 * 1024
    assert {event.event for event in held} == {"log"}
    for stream in stalled:
        await stream.aclose()
    await growth.close()
    archive.close()


async def test_one_that_is_cancelled_does_not_disturb_the_others(growth: Growth, new_writer: NewWriter) -> None:
    writer = new_writer()
    writer.write(b"line\n" * 100_000)
    tasks = [asyncio.create_task(collect(follow(growth, EXPERIMENT, finished=lambda: True))) for _ in range(10)]
    for task in tasks[:9]:
        await asyncio.sleep(0.005)
        task.cancel()
    writer.end()
    assert len(lines_of(await tasks[9])) == 100_000
    await asyncio.wait(tasks)


async def test_closing_sends_followers_away_without_an_end(growth: Growth, new_writer: NewWriter) -> None:
    new_writer().write(b"line\n")
    stream = follow(growth, EXPERIMENT, finished=lambda: False)
    assert (await anext(stream)).event == "log"
    task = asyncio.create_task(collect(stream))
    await asyncio.sleep(0.2)
    await growth.close()
    assert await task == []
