"""Whoever follows bytes, leaves and comes back gets each byte once, and is told of each that is missing."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from submarine_jupyter_server.logs.archive import Chunk, Gap, LogArchive, ReplicaLog
from submarine_jupyter_server.logs.following import growth as growth_module
from submarine_jupyter_server.logs.following.follow_bytes import End, Followed, Skipped, follow_bytes
from submarine_jupyter_server.logs.following.growth import Growth
from submarine_jupyter_server.logs.segment_writer import SegmentWriter

LEAVE = "leave"
NUMBERS = itertools.count()
WRITES = st.binary(min_size=1, max_size=400)
LOSSES = st.integers(1, 200)
STEPS = st.lists(st.one_of(WRITES, WRITES, LOSSES, st.just(LEAVE), st.just("read")), max_size=25)


@pytest.fixture(scope="module")
def shared() -> Iterator[LogArchive]:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(growth_module, "FASTEST_S", 0.001)
        archive = LogArchive(Path(folder))
        yield archive
        archive.close()


class Reader:
    """Follows one log, and knows what must stand in it: bytes, None where they are lost."""

    def __init__(self, growth: Growth, log: ReplicaLog, start: int, grants: list[int], window: int | None) -> None:
        self.content: list[int | None] = []
        self.offset, self.window = start, window
        self.ended: End | None = None
        self._growth, self._log = growth, log
        self._grants = itertools.cycle(grants)
        self._granted = 0
        self._pieces: AsyncGenerator[Followed, None] | None = None

    async def read(self) -> None:
        """Read one piece and check that it is the next one."""
        if self._pieces is None:
            self._pieces = follow_bytes(
                self._growth, self._log, self.offset, allowed=self._allowed, over=self._over, window=self.window
            )
        async with asyncio.timeout(30):
            piece = await anext(self._pieces)
        if isinstance(piece, End):
            self.ended = piece
            return
        assert piece.offset == self.offset
        assert piece.stop > piece.offset
        here = self.content[piece.offset : piece.stop]
        if isinstance(piece, Chunk):
            assert list(piece.data) == here
            assert len(piece.data) <= self._granted
        elif isinstance(piece, Gap):
            assert set(here) == {None}
        else:
            assert isinstance(piece, Skipped)
            assert self.window is not None
            assert piece.stop + self.window <= len(self.content)
        self.offset = piece.stop

    async def leave(self) -> None:
        """Go away, wherever it is; the next one begins where this one was."""
        if self._pieces is not None:
            await self._pieces.aclose()
            self._pieces = None

    async def _allowed(self) -> int:
        self._granted = next(self._grants)
        return self._granted

    async def _over(self) -> bool:
        return False


@settings(deadline=None, max_examples=60)
@given(
    steps=STEPS,
    start=st.integers(0, 300),
    grants=st.lists(st.integers(1, 500), min_size=1, max_size=5),
    window=st.none() | st.integers(1, 300),
    segment=st.integers(50, 1000),
)
def test_each_byte_comes_once_however_it_is_read(
    shared: LogArchive, steps: list[bytes | int | str], start: int, grants: list[int], window: int | None, segment: int
) -> None:
    log = shared.at(f"experiment-1-{next(NUMBERS):04}", 1, "worker-0")
    writer = SegmentWriter(log.path, segment_bytes=segment)

    async def scenario() -> None:
        growth = Growth(shared)
        reader, there = Reader(growth, log, start, grants, window), 0
        for step in steps:
            if isinstance(step, bytes):
                writer.write(step)
                reader.content += step
                there = len(reader.content)
            elif isinstance(step, int):
                writer.skip(step)
                reader.content += [None] * step
            elif step == LEAVE:
                await reader.leave()
            elif reader.offset < there:
                await reader.read()
        writer.end()
        while reader.ended is None:
            await reader.read()
        assert reader.ended == End(len(reader.content), None not in reader.content)
        assert reader.offset == max(start, len(reader.content))
        await reader.leave()
        await growth.close()

    asyncio.run(scenario())
    writer.close()
