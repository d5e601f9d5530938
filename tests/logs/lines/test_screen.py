"""Nested progress bars are a few rows, however often they were written over: in pages and for followers."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from submarine_jupyter_server.logs.archive import LogArchive, ReplicaLog
from submarine_jupyter_server.logs.following import attempt_reader as follower_module
from submarine_jupyter_server.logs.following import follow as follow_module
from submarine_jupyter_server.logs.following.follow import follow
from submarine_jupyter_server.logs.following.growth import Growth
from submarine_jupyter_server.logs.lines.blocks import SCREEN_BYTES, read_block
from submarine_jupyter_server.logs.lines.pages import page
from submarine_jupyter_server.logs.lines.screen import ROWS, Screen, folded_lines, moves_up
from submarine_jupyter_server.logs.segment_writer import SegmentWriter
from tests.logs.conftest import EXPERIMENT

NewWriter = Callable[..., SegmentWriter]
UP = b"\x1b[A"


def bars(count: int, steps: int) -> Iterator[bytes]:
    """Yield the writes of tqdm for ``count`` bars, one below the other: down, the bar, up again."""
    for step in range(steps + 1):
        for place in range(count):
            yield b"\n" * place + b"\r" + b"bar%d: %3d/%d" % (place, step, steps) + UP * place
    yield b"\n" * count


def rows(data: bytes) -> list[str]:
    return [text for text, _ in folded_lines(data, 0)]


def test_bars_are_put_together() -> None:
    assert rows(b"begin\n" + b"".join(bars(3, 40)) + b"end\n") == [
        "begin", "bar0:  40/40", "bar1:  40/40", "bar2:  40/40", "end",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"a\nb\x1b[A\rc\n\nd", ["c", "b", "d"]),
        (b"a\nb\n\x1b[2A\rA\n\rB\n", ["A", "B"]),
        (b"a\nb\n\x1b[1FB\n", ["a", "B"]),
        (b"\x1b[A\rmade\n", ["made"]),
        (b"bar\n\rbelow\x1b[A\r   \r\n\r     \r\nnext\n", ["next"]),
        (b"a\n\nb\n", ["a", "", "b"]),
        (b"a\n\n\x1b[Ab\n", ["a", "b"]),
    ],
)
def test_what_is_written_over(data: bytes, found: list[str]) -> None:
    assert rows(data) == found


def test_only_so_many_rows_are_held() -> None:
    screen = Screen()
    for number in range(10_000):
        screen.line(b"%d" % number)
    assert len(screen.rows) <= ROWS
    screen.line(b"\x1b[999A\rx")
    assert len(screen.rows) <= ROWS
    assert not moves_up(b"\x1b[31mred")


def test_a_page_shows_the_rows(new_writer: NewWriter, archive: LogArchive) -> None:
    new_writer().write(b"begin\n" + b"".join(bars(3, 4000)) + b"end\n")
    [log] = archive.replicas(EXPERIMENT)
    expected = ["begin", "bar0: 4000/4000", "bar1: 4000/4000", "bar2: 4000/4000", "end"]
    assert page(log).lines == expected
    assert page(log, tail_lines=2).lines == expected[-2:]


async def test_a_follower_sees_the_bars_move_and_then_their_last_rows(
    archive: LogArchive, new_writer: NewWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower_module, "PARTIAL_S", 0.02)
    monkeypatch.setattr(follow_module, "PATIENCE_S", 0.1)
    growth = Growth(archive)
    writer = new_writer()
    writer.write(b"begin\n")
    lines: list[str] = []
    moved: list[list[str]] = []
    todo = [*bars(3, 30), b"end\n"]
    async with asyncio.timeout(60):
        async for event in follow(growth, EXPERIMENT, finished=lambda: not todo):
            lines += json.loads(event.lines or "[]")
            if event.event == "partial":
                moved.append(event.data["rows"] if "rows" in event.data else [event.data["text"]])  # type: ignore[list-item, arg-type]
                assert "\n" not in str(event.data["text"])
            for data in todo[:12]:
                writer.write(data)
            del todo[:12]
            if not todo:
                writer.end()
    await growth.close()
    assert [line for line in lines if line] == ["begin", "bar0:  30/30", "bar1:  30/30", "bar2:  30/30", "end"]
    assert any(len(some) == 3 for some in moved)


@settings(max_examples=150)
@given(
    st.lists(st.sampled_from([b"\n", b"\r", UP, b"\x1b[3A", b"row", b"   ", b"x" * 50, b"\x1b[31m"]), max_size=200),
    st.integers(0, 2**32),
)
def test_any_moves_end_and_nothing_is_read_twice(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], seed: int
) -> None:
    folder = tmp_path_factory.mktemp("log") / "worker-0"
    writer = SegmentWriter(folder)
    log = ReplicaLog(EXPERIMENT, 1, "worker-0", folder)
    dice = random.Random(seed)
    position = scanned = 0
    for piece in (*pieces, None):
        if piece is not None:
            writer.write(piece * dice.choice([1, 1, 1, 40]))
            if dice.random() < 0.6:
                continue
        for _ in range(200):
            block = read_block(log, position, scanned, piece is None)
            assert position <= block.position <= block.scanned
            assert len(block.live) <= ROWS
            if (block.position, block.scanned) == (position, scanned):
                break
            assert block.position > position or not block.lines
            position, scanned = block.position, block.scanned
        else:
            raise AssertionError("it goes on for ever")
    assert position == log.end


def test_bars_that_go_on_for_hours_are_read_in_blocks(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path / "worker-0")
    writer.write(b"outer 0%\n" + b"".join(b"\rinner %06d\n\rlog%s" % (n, UP) for n in range(20_000)) + b"\n\n")
    writer.end()
    log = ReplicaLog(EXPERIMENT, 1, "worker-0", tmp_path / "worker-0")
    position = scanned = blocks = 0
    lines: list[str] = []
    while position < log.end:
        block = read_block(log, position, scanned, True)
        assert (block.position, block.scanned) > (position, scanned)
        lines += json.loads(block.lines or "[]")
        position, scanned, blocks = block.position, block.scanned, blocks + 1
    assert blocks <= log.end / (SCREEN_BYTES / 4)
    assert len(lines) <= 2 * blocks + 3
    assert lines[0] == "outer 0%"
    assert "inner 019999" in lines
