"""One poll serves all who follow an attempt; what cannot be read is told as incomplete."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from submarine_jupyter_server.logs.archive import LogArchive
from submarine_jupyter_server.logs.following.growth import Growth, Size, Watch
from submarine_jupyter_server.logs.segment_writer import SegmentWriter
from tests.logs.conftest import EXPERIMENT

NewWriter = Callable[..., SegmentWriter]


async def test_tells_of_news_and_of_the_end(archive: LogArchive, new_writer: NewWriter) -> None:
    growth = Growth(archive)
    writer = new_writer()
    async with growth.watch(EXPERIMENT, 1) as watch, growth.watch(EXPERIMENT, 1) as same:
        assert same is watch
        [size] = watch.sizes.logs.values()
        assert size == Size(0, False, True)
        version = watch.version
        writer.write(b"line\n")
        await watch.changed(version, 20)
        assert next(iter(watch.sizes.logs.values())).end == 5
        writer.skip(3)
        writer.end()
        async with asyncio.timeout(20):
            while not next(iter(watch.sizes.logs.values())).ended:
                await watch.changed(watch.version, 1)
        assert next(iter(watch.sizes.logs.values())) == Size(8, True, False)
        assert watch.sizes.newest == 1
    await growth.close()


async def test_a_poll_whose_owner_leaves_counts_for_nobody(
    archive: LogArchive, new_writer: NewWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_writer().write(b"line\n")
    watch = Watch(archive, EXPERIMENT, 1)
    stalls, run = 2, archive.run

    async def stalling(*work: Any) -> Any:
        nonlocal stalls
        stalls -= 1
        if stalls >= 0:
            await asyncio.Event().wait()
        return await run(*work)

    monkeypatch.setattr(archive, "run", stalling)
    polls = []
    for _ in range(3):
        polls.append(asyncio.create_task(watch.poll()))
        await asyncio.sleep(0)
    for poll in polls[:2]:
        poll.cancel()
        await asyncio.wait([poll])
    await polls[2]
    assert [size.end for size in watch.sizes.logs.values()] == [5]


async def test_a_log_that_is_no_folder_is_over_and_not_whole(archive: LogArchive, new_writer: NewWriter) -> None:
    new_writer("worker-1").write(b"line\n")
    [log] = archive.replicas(EXPERIMENT)
    (log.path.parent / "worker-0").write_bytes(b"")
    growth = Growth(archive)
    async with growth.watch(EXPERIMENT, 1) as watch:
        sizes = {found.name: size for found, size in watch.sizes.logs.items()}
        assert sizes == {"worker-0": Size(0, True, False), "worker-1": Size(5, False, True)}
    await growth.close()


async def test_what_is_shared_is_read_once_and_a_failure_is_not_kept(archive: LogArchive) -> None:
    growth = Growth(archive)
    calls: list[int] = []

    def read(number: int) -> int:
        calls.append(number)
        if number < 0:
            raise OSError("gone")
        return number

    async with growth.watch(EXPERIMENT, 1) as watch:
        found = await asyncio.gather(*(watch.share("a", 7, read, 7) for _ in range(20)))
        assert (found, calls) == ([7] * 20, [7])
        for _ in range(2):
            with pytest.raises(OSError, match="gone"):
                await watch.share("a", -1, read, -1)
        assert calls == [7, -1, -1]
    await growth.close()
