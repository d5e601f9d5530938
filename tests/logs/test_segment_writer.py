"""The writer keeps what the disk takes and declares the rest, and writes what the local target's shim writes."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path

import pytest

from submarine_jupyter_server.logs.archive import ReplicaLog
from submarine_jupyter_server.logs.layout import CAP_BYTES, RECORD, SEGMENT_BYTES, TIME_STEP_NS, TIMES
from submarine_jupyter_server.logs.segment_writer import SegmentWriter
from submarine_jupyter_server.targets.local.shim.replica import log_files as shim
from tests.logs.conftest import data_at


def log_of(folder: Path) -> ReplicaLog:
    return ReplicaLog("experiment-1-0001", 1, "worker-0", folder)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != TIMES}


def offsets_of(folder: Path) -> list[int]:
    return [offset for offset, _ in RECORD.iter_unpack((folder / TIMES).read_bytes())]


def test_what_a_full_disk_refuses_is_declared(tmp_path: Path) -> None:
    """A limit on the size of files refuses bytes as a full disk does: a short write first, then an error."""
    writer = SegmentWriter(tmp_path / "worker-0", segment_bytes=1000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (64, before[1]))
        writer.write(b"a" * 64 + b"b" * 36)
        assert (writer.offset, writer.dropped) == (100, 36)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
        writer.write(b"c" * 50)
        assert (writer.offset, writer.dropped) == (150, 86)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    writer.write(b"d")
    writer.end()
    log = log_of(tmp_path / "worker-0")
    assert log.gaps() == [(64, 150)]
    assert (data_at(log, 150, 9), log.end, log.ended) == (b"d", 151, True)


def test_goes_on_where_an_earlier_writer_stopped(tmp_path: Path) -> None:
    for data in (b"one\n", b"two\n", b"three\n"):
        writer = SegmentWriter(tmp_path / "worker-0", segment_bytes=6)
        writer.write(data)
        writer.end()
    SegmentWriter(tmp_path / "worker-0").close()
    log = log_of(tmp_path / "worker-0")
    assert (data_at(log, 0, 99), log.gaps(), log.ended) == (b"one\ntwo\nthree\n", [], False)


def test_times_are_noted_before_the_bytes_and_not_too_often(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path / "worker-0")
    for at_ms in (0, 10, 99, 100, 150, 199, 200, 1000, 900):
        writer.write(b"x", at_ns=5_000_000_000 + at_ms * 1_000_000)
    # A clock that was set back is noted too.
    assert offsets_of(tmp_path / "worker-0") == [0, 3, 6, 7, 8]


def test_times_that_are_given_are_noted_exactly(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path / "worker-0")
    writer.write_timed(b"one\ntwo\n", [(0, 5), (4, 6)])
    writer.write_timed(b"three\n", [])
    writer.write_timed(b"four\n", [(0, 4)])
    log = log_of(tmp_path / "worker-0")
    assert data_at(log, 0, 99) == b"one\ntwo\nthree\nfour\n"
    assert log.times(0, 99) == [(0, 5), (4, 6), (14, 4)]


def test_times_of_bytes_that_were_never_written_are_forgotten(tmp_path: Path) -> None:
    SegmentWriter(tmp_path / "worker-0").write_timed(b"one\n", [(0, 5), (4, 6), (5, 7), (9, 8)])
    SegmentWriter(tmp_path / "worker-0").close()
    assert offsets_of(tmp_path / "worker-0") == [0, 4]


def test_a_gap_at_the_end_can_be_seen_at_once(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path / "worker-0")
    writer.write(b"one\n")
    writer.skip(3)
    assert log_of(tmp_path / "worker-0").gaps() == []
    writer.show_gap()
    assert log_of(tmp_path / "worker-0").gaps() == [(4, 7)]


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path / "worker-0")
    writer.write(b"x")
    writer.end()
    assert (tmp_path / "worker-0").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "worker-0").iterdir()} == {0o600}


def test_the_shim_has_the_same_limits() -> None:
    assert (shim.SEGMENT_BYTES, shim.STAMP_NS) == (SEGMENT_BYTES, TIME_STEP_NS)
    assert CAP_BYTES == 1024**3


@pytest.mark.parametrize("end", [True, False])
def test_the_shim_writes_the_same_files(tmp_path: Path, end: bool) -> None:
    segment = shim.MIN_SEGMENT_BYTES
    theirs = shim.Archive(str(tmp_path / "shim" / "worker-0"), cap=10 * segment, segment=segment)
    theirs.begin()
    ours = SegmentWriter(tmp_path / "ours" / "worker-0", segment_bytes=segment, cap_bytes=10 * segment)
    for number in range(30):
        piece = bytes([number]) * (segment // 2 - number * 7)
        theirs.write(memoryview(piece))
        ours.write(piece)
    if end:
        theirs.end()
        ours.end()
    found = files_of(tmp_path / "shim" / "worker-0")
    assert found == files_of(tmp_path / "ours" / "worker-0")
    assert ("ended" in found) is end
    assert log_of(tmp_path / "shim" / "worker-0").gaps() == log_of(tmp_path / "ours" / "worker-0").gaps() != []
    assert offsets_of(tmp_path / "shim" / "worker-0")[0] == offsets_of(tmp_path / "ours" / "worker-0")[0] == 0


def test_a_planted_pipe_holds_up_nothing(tmp_path: Path) -> None:
    """Opening a pipe that nobody reads would wait for ever."""
    folder = tmp_path / "worker-0"
    folder.mkdir()
    for name in ("times.idx", f"{0:020d}.log"):
        os.mkfifo(folder / name)
    writer = SegmentWriter(folder, segment_bytes=4)
    writer.write(b"lost and kept\n")
    writer.end()
    assert writer.offset == 14
