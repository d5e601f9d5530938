"""The archive gives back every byte at its offset, and nothing that lies outside of it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from submarine_jupyter.errors import NotFound
from submarine_jupyter_server.logs.archive import Chunk, Gap, LogArchive, ReplicaLog
from submarine_jupyter_server.logs.layout import RECORD, TIMES
from submarine_jupyter_server.logs.segment_writer import SegmentWriter
from tests.logs.conftest import runs

NewWriter = Callable[..., SegmentWriter]


def test_reads_over_segments_and_stops_at_holes(archive: LogArchive, experiment_id: str, new_writer: NewWriter) -> None:
    writer = new_writer(segment_bytes=10)
    writer.write(b"0123456789abcdef")
    writer.skip(4)
    writer.write(b"XYZ")
    writer.end()
    [log] = archive.replicas(experiment_id)
    assert (log.start, log.end, log.ended) == (0, 23, True)
    assert log.gaps() == [(16, 20)]
    assert log.read(0, 100) == Chunk(0, b"0123456789abcdef")
    assert log.read(8, 4) == Chunk(8, b"89ab")
    assert log.read(17, 2) == Gap(17, 20)
    assert (log.read(23, 10), log.read(99, 10)) == (Chunk(23, b""), Chunk(99, b""))
    assert list(log.pieces(12, 22, 3)) == [Chunk(12, b"cde"), Chunk(15, b"f"), Gap(16, 20), Chunk(20, b"XY")]
    assert list(log.pieces(12, 18, 9)) == [Chunk(12, b"cdef"), Gap(16, 18)]
    assert runs(log, 7) == [(0, b"0123456789abcdef"), (20, b"XYZ")]


def test_a_hole_at_the_front_and_at_the_end_is_declared(
    archive: LogArchive, experiment_id: str, new_writer: NewWriter
) -> None:
    writer = new_writer()
    writer.skip(5)
    writer.write(b"abc")
    writer.skip(2)
    writer.end()
    [log] = archive.replicas(experiment_id)
    assert (log.start, log.end, log.gaps()) == (5, 10, [(0, 5), (8, 10)])
    assert log.read(8, 10) == Gap(8, 10)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.one_of(st.binary(max_size=40), st.integers(1, 30)), max_size=20),
    segment_bytes=st.integers(1, 25),
    reopen=st.integers(0, 20),
)
def test_every_byte_comes_back_at_its_offset(
    tmp_path_factory: pytest.TempPathFactory, steps: list[bytes | int], segment_bytes: int, reopen: int
) -> None:
    folder = tmp_path_factory.mktemp("log") / "worker-0"
    writer = SegmentWriter(folder, segment_bytes=segment_bytes)
    expected: list[tuple[int, bytes]] = []
    offset, hole = 0, True
    for number, step in enumerate(steps):
        if number == reopen:
            writer.close()
            writer = SegmentWriter(folder, segment_bytes=segment_bytes)
        if isinstance(step, int):
            writer.skip(step)
            offset, hole = offset + step, True
        elif step:
            writer.write(step)
            if hole:
                expected.append((offset, step))
            else:
                expected[-1] = (expected[-1][0], expected[-1][1] + step)
            offset, hole = offset + len(step), False
    writer.end()
    log = ReplicaLog("experiment-1-0001", 1, "worker-0", folder)
    assert runs(log, 6) == runs(log, 1000) == expected
    assert (log.end, log.ended) == (offset, True)
    ends = [0, *(start + len(data) for start, data in expected)]
    starts = [*(start for start, _ in expected), offset]
    assert log.gaps() == [(end, start) for end, start in zip(ends, starts, strict=True) if start > end]


def test_a_capped_log_keeps_its_head_and_its_newest_bytes(
    archive: LogArchive, experiment_id: str, new_writer: NewWriter
) -> None:
    writer = new_writer(segment_bytes=10, cap_bytes=40)
    for number in range(200):
        writer.write(b"%04d\n" % number)
    [log] = archive.replicas(experiment_id)
    kept = runs(log)
    assert kept[0] == (0, b"0000\n0001\n")
    assert kept[-1][1].endswith(b"0198\n0199\n")
    assert sum(len(data) for _, data in kept) <= 40
    assert log.gaps() == [(10, kept[1][0])]
    assert log.end == 1000


def test_reads_while_a_capped_log_is_written(archive: LogArchive, experiment_id: str, new_writer: NewWriter) -> None:
    writer = new_writer(segment_bytes=1000, cap_bytes=4000)
    [log] = archive.replicas(experiment_id)
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            writer.write(b"%09d\n" % number)
            number += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        offset, seen, end = 0, 0, 0
        while seen < 2000:
            snapshot = log.snapshot()
            assert snapshot.end >= end
            assert not snapshot.segments or snapshot.start == 0
            end = snapshot.end
            chunk = log.read(offset, 100)
            if isinstance(chunk, Gap):
                offset = chunk.stop
                continue
            if not chunk.data:
                continue
            assert chunk.offset == offset
            # The content tells its own offset: nothing is shifted, doubled or torn.
            for at in range(-chunk.offset % 10, len(chunk.data) - 9, 10):
                assert int(chunk.data[at : at + 9]) == (chunk.offset + at) // 10
            offset = chunk.stop
            seen += 1
    finally:
        stop.set()
        thread.join()


def test_who_leads_comes_first_then_by_role_and_number(
    archive: LogArchive, experiment_id: str, new_writer: NewWriter
) -> None:
    for name in ("worker-10", "worker-2", "evaluator-0", "ps-1", "chief-0", "ps-0"):
        new_writer(name)
    names = [log.name for log in archive.replicas(experiment_id)]
    assert names == ["chief-0", "ps-0", "ps-1", "worker-2", "worker-10", "evaluator-0"]
    assert archive.replicas(experiment_id)[0].pod_name == f"{experiment_id}-chief-0"


def test_the_latest_attempt_is_the_default(archive: LogArchive, experiment_id: str, new_writer: NewWriter) -> None:
    for attempt in (1, 2, 10):
        new_writer(attempt=attempt)
    assert archive.attempts(experiment_id) == [1, 2, 10]
    assert [log.attempt for log in archive.replicas(experiment_id)] == [10]
    assert [log.attempt for log in archive.replicas(experiment_id, 2)] == [2]
    assert archive.replicas(experiment_id, 3) == []


@pytest.mark.parametrize(
    "experiment_id",
    [
        "",
        "..",
        "../..",
        "experiment-1-0001/..",
        "experiment-1-0001\n",
        "experiment-\uff11-0001",
        "experiment-1-0001\0",
        "x" * 300,
    ],
)
def test_only_ids_become_paths(archive: LogArchive, new_writer: NewWriter, experiment_id: str) -> None:
    new_writer()
    assert archive.attempts(experiment_id) == []
    assert archive.replicas(experiment_id) == []


@pytest.mark.parametrize("name", ["", ".", "..", "worker-0/..", "../worker-0", "worker-0\n", "worker-1", "Worker-0"])
def test_an_unknown_replica_is_not_found(
    archive: LogArchive, experiment_id: str, new_writer: NewWriter, name: str
) -> None:
    new_writer()
    with pytest.raises(NotFound):
        archive.replica(experiment_id, name)


def test_planted_links_and_pipes_are_not_followed(
    archive: LogArchive, experiment_id: str, new_writer: NewWriter, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / f"{0:020d}.log").write_bytes(b"secret")
    new_writer().write(b"mine")
    [log] = archive.replicas(experiment_id)
    (log.path.parent / "ps-0").symlink_to(secret)
    (log.path.parents[2] / "2").symlink_to(log.path.parents[1])
    (log.path / f"{4:020d}.log").symlink_to(secret / f"{0:020d}.log")
    os.mkfifo(log.path / f"{8:020d}.log")
    (log.path / TIMES).unlink()
    os.mkfifo(log.path / TIMES)
    os.mkfifo(log.path.parent / "ps-1")
    assert [found.name for found in archive.replicas(experiment_id)] == ["ps-0", "ps-1", "worker-0"]
    for found in archive.replicas(experiment_id)[:2]:
        with pytest.raises(OSError, match="Not a directory"):
            found.snapshot()
        with pytest.raises(OSError, match="Not a directory"):
            found.read(0, 10)
    assert archive.attempts(experiment_id) == [1]
    assert runs(log) == [(0, b"mine")]
    assert log.offset_at(time.time()) == 0


def test_times_find_the_offset_and_the_time(archive: LogArchive, experiment_id: str, new_writer: NewWriter) -> None:
    writer = new_writer()
    second = 1_000_000_000
    for number in range(100):
        writer.write(b"%04d\n" % number, at_ns=(1000 + number) * second)
        writer.write(b"", at_ns=(1000 + number) * second + 50_000_000)
    [log] = archive.replicas(experiment_id)
    assert log.offset_at(0) == 0
    assert log.offset_at(1042) == 42 * 5
    assert log.offset_at(1042.5) == 43 * 5
    assert log.offset_at(5000) == log.end == 500
    assert log.times(42 * 5, 44 * 5) == [(210, 1042 * second), (215, 1043 * second)]
    assert log.times(212, 213) == [(210, 1042 * second)]
    with (log.path / TIMES).open("ab") as file:
        file.write(b"torn")
    assert log.offset_at(1042) == 42 * 5
    new_writer().write(b"more", at_ns=2000 * second)
    assert (log.path / TIMES).stat().st_size % RECORD.size == 0
    assert log.offset_at(1500) == 500


def test_without_an_index_nothing_is_hidden(archive: LogArchive, experiment_id: str, new_writer: NewWriter) -> None:
    new_writer().write(b"abc")
    [log] = archive.replicas(experiment_id)
    (log.path / TIMES).unlink()
    assert log.offset_at(time.time()) == 0
    assert log.times(0, 3) == []


def test_a_purged_log_reads_as_empty(archive: LogArchive, experiment_id: str, new_writer: NewWriter) -> None:
    new_writer()
    [log] = archive.replicas(experiment_id)
    for file in log.path.iterdir():
        file.unlink()
    log.path.rmdir()
    assert (log.end, log.ended, log.read(0, 10)) == (0, False, Chunk(0, b""))
    assert archive.replicas(experiment_id) == []
