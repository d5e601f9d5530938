"""Every byte that a replica wrote is in its archive, and what is missing is declared."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from submarine_jupyter_server.targets.local.shim.replica.log_files import MIN_SEGMENT_BYTES, Archive
from tests.targets.local.bench import Bench, eventually, launch

MIB = 2**20


async def test_fifty_megabytes_to_the_last_byte(bench: Bench, tmp_path: Path) -> None:
    target = await bench.target()
    data = os.urandom(50 * MIB + 17)
    (tmp_path / "data.bin").write_bytes(data)
    order = launch(f"cat {tmp_path}/data.bin")
    await target.ensure(order)
    await bench.end(order)
    assert hashlib.sha256(bench.log(order)).digest() == hashlib.sha256(data).digest()
    assert (bench.folder(order) / "logs/worker-0/ended").exists()


async def test_the_last_words_before_a_kill(bench: Bench) -> None:
    """What is still in the pipe when a replica dies is in the archive before anybody hears of its end."""
    target = await bench.target()
    program = (
        "import os, signal; os.write(1, bytes(900_000)); os.write(2, b'end'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    order = launch(f'{sys.executable} -c "{program}"')
    await target.ensure(order)
    end = await bench.end(order)
    assert end.replicas[0].signal == "SIGKILL"
    assert bench.log(order) == bytes(900_000) + b"end"


async def test_a_daemon_that_keeps_the_pipe_open_holds_up_nothing(bench: Bench) -> None:
    target = await bench.target(grace_s=0.3)
    order = launch("setsid sh -c \"trap '' TERM; sleep 600; true\" & echo done")
    await target.ensure(order)
    end = await bench.end(order)
    assert (end.status, bench.log(order)) == ("Succeeded", b"done\n")
    assert bench.processes(order) == []


async def test_times_are_known(bench: Bench) -> None:
    target = await bench.target()
    order = launch("for i in 1 2 3; do echo $i; sleep 0.15; done")
    await target.ensure(order)
    await bench.end(order)
    records = list(struct.iter_unpack("<QQ", (bench.folder(order) / "logs/worker-0/times.idx").read_bytes()))
    assert [offset for offset, _ in records] == [0, 2, 4]
    assert all(later - earlier >= 100_000_000 for (_, earlier), (_, later) in itertools.pairwise(records))


def test_segments_roll_and_the_middle_goes_first(tmp_path: Path) -> None:
    segment = MIN_SEGMENT_BYTES
    archive = Archive(str(tmp_path / "log"), cap=4 * segment)
    archive.begin()
    data = bytes(range(256)) * (10 * segment // 256)
    for start in range(0, len(data), 1000):
        archive.write(memoryview(data)[start : start + 1000])
    archive.end()
    kept = {int(path.stem): path.read_bytes() for path in sorted((tmp_path / "log").glob("*.log"))}
    assert sum(map(len, kept.values())) <= 4 * segment
    assert min(kept) == 0
    assert max(start + len(content) for start, content in kept.items()) == len(data)
    assert all(data[start : start + len(content)] == content for start, content in kept.items())


def test_bytes_come_again_after_the_end(tmp_path: Path) -> None:
    archive = Archive(str(tmp_path / "log"), cap=2**30)
    for text in (b"one ", b"two "):
        archive.begin()
        assert not (tmp_path / "log/ended").exists()
        archive.write(memoryview(text))
        archive.end()
    assert b"".join(path.read_bytes() for path in sorted((tmp_path / "log").glob("*.log"))) == b"one two "
    assert archive.tail(5) == b" two "[-5:]
    assert archive.tail(100) == b"one two "


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    folder = tmp_path / "data"
    folder.mkdir(exist_ok=True)
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]).returncode:
        pytest.skip("a small file system can only be mounted by root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_a_full_disk_ends_no_replica(bench: Bench, small_disk: Path, tmp_path: Path) -> None:
    """The replica goes on; what was lost is a gap; once there is room, what follows is kept, and so is the end."""
    target = await bench.target()
    go = tmp_path / "go"
    order = launch(
        f"head -c 8000000 /dev/zero; while ! test -e {go}; do sleep 0.02; done; sleep 1.2; echo after; exit 5"
    )
    await target.ensure(order)
    folder = bench.folder(order) / "logs/worker-0"
    await eventually(lambda: os.statvfs(small_disk).f_bavail == 0, "the disk is full")
    await asyncio.sleep(0.2)
    first = folder / f"{0:020}.log"
    kept = first.stat().st_size
    assert 0 < kept < 8_000_000
    os.truncate(first, kept - 100_000)
    go.touch()
    end = await bench.end(order)
    assert end.replicas[0].exit_code == 5
    assert f"{8_000_000 - kept} bytes of its log were lost" in (end.replicas[0].message or "")
    assert (folder / f"{8_000_000:020}.log").read_bytes() == b"after\n"


async def test_who_fills_the_disk_can_be_stopped(bench: Bench, small_disk: Path) -> None:
    target = await bench.target()
    order = launch("head -c 8000000 /dev/zero; exec sleep 600")
    await target.ensure(order)
    await eventually(lambda: os.statvfs(small_disk).f_bavail == 0, "the disk is full")
    await target.stop(order)
    assert (await bench.end(order)).reason == "Stopped"


async def test_a_disk_that_stays_full_still_takes_the_end(bench: Bench, small_disk: Path) -> None:
    target = await bench.target()
    order = launch("head -c 8000000 /dev/zero; exit 6")
    await target.ensure(order)
    end = await bench.end(order)
    assert (end.status, end.replicas[0].exit_code) == ("Failed", 6)
