"""Pages show the newest lines as Submarine does, and tell what they leave out."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from submarine_jupyter.errors import InvalidRequest, NotFound
from submarine_jupyter_server.logs.archive import LogArchive, ReplicaLog
from submarine_jupyter_server.logs.lines.pages import (
    PAGE_BYTES,
    PAGE_LINES,
    experiment_pages,
    page,
    start_position,
    tail,
)
from submarine_jupyter_server.logs.lines.view import shown
from submarine_jupyter_server.logs.segment_writer import SegmentWriter

NewWriter = Callable[..., SegmentWriter]


def only(archive: LogArchive, experiment_id: str) -> ReplicaLog:
    [log] = archive.replicas(experiment_id)
    return log


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"\n\n", []),
        (b"a", ["a"]),
        (b"a\n", ["a"]),
        (b"a\n\nb\n\n\n", ["a", "", "b"]),
        (b"\na\r\nb", ["", "a", "b"]),
    ],
)
def test_lines_are_those_of_submarine(
    archive: LogArchive, experiment_id: str, new_writer: NewWriter, data: bytes, lines: list[str]
) -> None:
    new_writer().write(data)
    assert page(only(archive, experiment_id)).lines == lines


@settings(max_examples=100, deadline=None)
@given(
    lines=st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")), max_size=60),
    wanted=st.integers(0, 70),
    max_bytes=st.integers(1, 400),
    segment_bytes=st.integers(1, 100),
    ended=st.booleans(),
)
def test_a_tail_is_the_end_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory,
    lines: list[bytes],
    wanted: int,
    max_bytes: int,
    segment_bytes: int,
    ended: bool,
) -> None:
    folder = tmp_path_factory.mktemp("log") / "worker-0"
    writer = SegmentWriter(folder, segment_bytes=segment_bytes)
    data = b"\n".join(lines) + (b"\n" if ended and lines else b"")
    writer.write(data)
    writer.end()
    log = ReplicaLog("experiment-1-0001", 1, "worker-0", folder)
    whole = [shown(line) for line in data.split(b"\n")]
    while whole and not whole[-1]:
        whole.pop()
    assert tail(log, len(whole) + 1, 10_000).lines == whole
    found = tail(log, wanted, max_bytes)
    assert found.total_bytes == len(data)
    assert len(found.lines) <= wanted
    if found.shown_from == 0 or data[found.shown_from - 1] == 10:
        assert found.lines == whole[len(whole) - len(found.lines) :]
    assert len(data) - found.shown_from <= max_bytes
    if not found.cut:
        assert found.lines == whole
    if found.shown_from == 0 or len(data) <= max_bytes:
        assert found.lines == whole[len(whole) - min(wanted, len(whole)) :]
    # A follower who goes on from there sees the same.
    shown_lines = [shown(line) for line in data[found.shown_from :].split(b"\n")]
    assert shown_lines[: len(found.lines)] == found.lines


def test_caps_and_says_what_is_missing(archive: LogArchive, experiment_id: str, new_writer: NewWriter) -> None:
    writer = new_writer()
    writer.write(b"".join(b"%07d\n" % number for number in range(PAGE_LINES + 5)))
    log = only(archive, experiment_id)
    found = page(log)
    assert (len(found.lines), found.lines[0], found.cut) == (PAGE_LINES, "0000005", True)
    assert (found.total_bytes, found.shown_from) == (8 * (PAGE_LINES + 5), 40)
    assert len(page(log, tail_lines=3).lines) == 3
    assert page(log, tail_lines=3).cut is False
    assert page(log, tail_lines=PAGE_LINES + 1).cut is True
    writer.write((b"x" * 999 + b"\n") * 2000)
    found = page(log)
    assert found.cut
    assert PAGE_BYTES - 1000 <= sum(len(line) + 1 for line in found.lines) <= PAGE_BYTES
    assert page(log, tail_lines=10_000_000).cut is True


def test_a_log_of_one_endless_line_shows_a_part_of_it(
    archive: LogArchive, experiment_id: str, new_writer: NewWriter
) -> None:
    writer = new_writer()
    for _ in range(3):
        writer.write(b"z" * PAGE_BYTES)
    found = page(only(archive, experiment_id))
    assert found.cut
    assert (len(found.lines), found.shown_from) == (1, 2 * PAGE_BYTES)
    assert found.lines[0].startswith("zzz")
    writer.write(b"\nshort\n")
    assert page(only(archive, experiment_id)).lines == ["short"]


def test_since_begins_at_a_line(archive: LogArchive, experiment_id: str, new_writer: NewWriter) -> None:
    writer = new_writer()
    writer.write(b"old\nbegun ", at_ns=1_000_000_000_000)
    writer.write(b"later\nnew\n", at_ns=2_000_000_000_000)
    log = only(archive, experiment_id)
    assert page(log, since=1500).lines == ["begun later", "new"]
    assert page(log, since=1500, tail_lines=1).lines == ["new"]
    assert page(log, since=500).lines == ["old", "begun later", "new"]
    assert page(log, since=3000).lines == []
    assert page(log, since=1500).cut is False


@pytest.mark.parametrize("bad", [{"tail_lines": -1}, {"since": float("nan")}, {"since": float("inf")}])
def test_refuses(archive: LogArchive, experiment_id: str, new_writer: NewWriter, bad: dict[str, float]) -> None:
    new_writer()
    with pytest.raises(InvalidRequest):
        page(only(archive, experiment_id), **bad)  # type: ignore[arg-type]


def test_an_answer_has_every_replica_and_says_nothing_that_is_not_needed(
    archive: LogArchive, experiment_id: str, new_writer: NewWriter
) -> None:
    new_writer("worker-0").write(b"work\n")
    new_writer("ps-0")
    found = experiment_pages(archive, experiment_id)
    assert found.result == {
        "experimentId": experiment_id,
        "logContent": [
            {"podName": f"{experiment_id}-ps-0", "podLog": []},
            {"podName": f"{experiment_id}-worker-0", "podLog": ["work"]},
        ],
    }
    assert found.attributes == {}
    one = experiment_pages(archive, experiment_id, replica="worker-0")
    assert one.result["logContent"] == [{"podName": f"{experiment_id}-worker-0", "podLog": ["work"]}]
    with pytest.raises(NotFound):
        experiment_pages(archive, experiment_id, replica="worker-1")


def test_an_answer_declares_gaps_and_cuts(archive: LogArchive, experiment_id: str, new_writer: NewWriter) -> None:
    writer = new_writer()
    writer.write(b"before\nhalf")
    writer.skip(9)
    writer.write(b"after\n" * (PAGE_LINES + 1))
    pod = f"{experiment_id}-worker-0"
    found = experiment_pages(archive, experiment_id)
    assert found.attributes == {
        "truncated": {pod: {"totalBytes": 20 + 6 * (PAGE_LINES + 1), "shownFrom": 26}},
        "gaps": {pod: [[11, 20]]},
    }
    log = only(archive, experiment_id)
    assert tail(log, PAGE_LINES + 3).lines[:3] == ["before", "half", "after"]


@pytest.fixture
def anybody() -> Iterator[Path]:
    """Return a folder to use as somebody who is not root: root may read everything."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        yield Path(folder)
        os.seteuid(user)


def test_one_unreadable_log_does_not_hide_the_others(anybody: Path, experiment_id: str) -> None:
    for name in ("ps-0", "worker-0"):
        writer = SegmentWriter(anybody / experiment_id / "1" / "logs" / name)
        writer.write(b"fine\n")
        writer.end()
    archive = LogArchive(anybody)
    (archive.replica(experiment_id, "ps-0").path / f"{0:020d}.log").chmod(0)
    found = experiment_pages(archive, experiment_id)
    pods = [f"{experiment_id}-ps-0", f"{experiment_id}-worker-0"]
    assert found.result["logContent"] == [
        {"podName": pods[0], "podLog": []},
        {"podName": pods[1], "podLog": ["fine"]},
    ]
    assert found.attributes == {"errors": {pods[0]: "The log cannot be read: Permission denied."}}


def test_a_follower_can_begin_with_a_tail(archive: LogArchive, experiment_id: str, new_writer: NewWriter) -> None:
    assert start_position(archive, experiment_id, tail_lines=5) is None
    new_writer("worker-0").write(b"1\n2\n3\n")
    new_writer("ps-0").write(b"1\n")
    assert str(start_position(archive, experiment_id, tail_lines=2)) == "1.ps-0:0,worker-0:2"
    assert str(start_position(archive, experiment_id, since=time.time() + 60)) == "1.ps-0:2,worker-0:6"
    assert str(start_position(archive, experiment_id, replica="worker-0")) == "1.worker-0:0"
