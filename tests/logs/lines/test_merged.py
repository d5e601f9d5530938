"""The lines of several replicas in the order of time: whole in any pages, forth and back."""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence

import pytest

from submarine_jupyter_server.logs.archive import LogArchive, ReplicaLog
from submarine_jupyter_server.logs.lines import merged
from submarine_jupyter_server.logs.lines.merged import Merged, back, forth
from tests.logs.conftest import NewWriter

SECOND = 1_000_000_000


@pytest.fixture
def logs(archive: LogArchive, new_writer: NewWriter, experiment_id: str) -> Sequence[ReplicaLog]:
    """Three logs that end at different times, of lines that name theirs."""
    rng = random.Random(11)
    writers = [new_writer(f"worker-{index}", segment_bytes=3000) for index in range(3)]
    for at in range(1, 200):
        for index, writer in enumerate(writers[: 3 if at < 100 else 2]):
            if rng.random() < 0.6:
                writer.write(b"%d worker-%d %s\n" % (at, index, b"x" * rng.randrange(60)), at * SECOND)
    for writer in writers:
        writer.end()
    return archive.replicas(experiment_id)


def texts(found: Merged) -> list[str]:
    return [line.text for line in found.lines]


def whole(logs: Sequence[ReplicaLog]) -> list[str]:
    """Return all lines in the order in which they were written."""
    lines = [
        (int(line.split()[0]), place, line)
        for place, log in enumerate(logs)
        for piece in log.pieces(0, log.end, 1 << 20)
        for line in getattr(piece, "data", b"").decode().splitlines()
    ]
    return [line for _, _, line in sorted(lines)]


@pytest.mark.parametrize(("limit", "window"), [(10_000, 1 << 20), (7, 1 << 20), (10_000, 500), (7, 500), (1, 100)])
def test_pages_forth_and_back_are_the_whole(
    logs: Sequence[ReplicaLog], limit: int, window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merged, "_size", lambda logs: window)
    found: list[str] = []
    page = forth(logs, {}, limit)
    while True:
        found += texts(page)
        assert page.lines or not page.more
        if not page.more:
            break
        page = forth(logs, page.next, limit)
    assert found == whole(logs)
    found = []
    page = back(logs, None, limit)
    while True:
        found = texts(page) + found
        assert page.lines or not page.more
        if not page.more:
            break
        page = back(logs, page.first, limit)
    assert found == whole(logs)


def test_pages_meet(logs: Sequence[ReplicaLog]) -> None:
    newest = back(logs, None, 50)
    assert texts(newest) == whole(logs)[-50:]
    assert texts(forth(logs, newest.next, 50)) == []
    older = back(logs, newest.first, 50)
    assert texts(forth(logs, older.first, 100)) == whole(logs)[-100:]
    assert texts(forth(logs, older.next, 50)) == texts(newest)


def test_none_is_older_than_is_wanted(logs: Sequence[ReplicaLog]) -> None:
    lines = texts(back(logs, None, 1000, since=190.5))
    assert lines == [line for line in whole(logs) if int(line.split()[0]) > 190]


def test_an_unfinished_line_comes_when_it_is_whole(
    archive: LogArchive, new_writer: NewWriter, experiment_id: str
) -> None:
    one, two = new_writer("worker-0"), new_writer("worker-1")
    one.write(b"first\nsec", SECOND)
    two.write(b"other\n", 2 * SECOND)
    logs = archive.replicas(experiment_id)
    found = back(logs, None, 10)
    assert (texts(found), found.next) == (["first", "other"], {"worker-0": 6, "worker-1": 6})
    one.write(b"ond\nthird", 3 * SECOND)
    found = forth(logs, found.next, 10)
    assert texts(found) == ["second"]
    one.end()
    assert texts(forth(logs, found.next, 10)) == ["third"]


def test_what_is_missing_is_said(archive: LogArchive, new_writer: NewWriter, experiment_id: str) -> None:
    for index in range(4):
        writer = new_writer(f"worker-{index}")
        writer.write(b"before\n", SECOND)
        writer.skip(100)
        writer.write(b"after\n", 2 * SECOND)
    logs = archive.replicas(experiment_id)
    (logs[1].path / "times.idx").unlink()
    shutil.rmtree(logs[2].path)
    shutil.rmtree(logs[3].path)
    logs[3].path.write_text("no folder")
    found = back(logs, None, 10)
    assert texts(found) == ["before", "after"]
    assert found.gaps == {logs[0].pod_name: [(7, 107)]}
    assert found.untimed == [logs[1].pod_name]
    assert found.errors == {
        logs[2].pod_name: "The log cannot be read: No such file or directory.",
        logs[3].pod_name: "The log cannot be read: Not a directory.",
    }
    assert back(logs, found.next, 1).gaps == {}


def test_an_answer_is_bounded(logs: Sequence[ReplicaLog], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merged, "MAX_BYTES", 1000)
    page = forth(logs, {}, 10_000)
    assert page.more
    assert 900 < sum(map(len, texts(page))) <= 1000


def test_a_line_of_many_megabytes_is_passed_in_pieces(
    archive: LogArchive, new_writer: NewWriter, experiment_id: str
) -> None:
    new_writer("worker-0").write(b"x" * 3_000_000 + b"\nlast\n", SECOND)
    logs = archive.replicas(experiment_id)
    page, count = forth(logs, {}, 100), 1
    while page.more:
        page, count = forth(logs, page.next, 100), count + 1
    assert texts(page)[-1] == "last"
    assert count < 10
    page = back(logs, None, 100)
    assert texts(page)[-1] == "last"
    while page.more:
        page, count = back(logs, page.first, 100), count + 1
        assert count < 20
    assert page.first == {"worker-0": 0}
