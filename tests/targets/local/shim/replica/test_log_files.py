"""The archive of one replica's log, also when somebody takes its files away."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from submarine_jupyter_server.logs.archive import Chunk, ReplicaLog
from submarine_jupyter_server.targets.local.shim.replica.log_files import Archive
from tests.targets.local.shim.attempt import Attempt, item


def log_of(folder: Path) -> ReplicaLog:
    return ReplicaLog("experiment-1-0001", 1, "worker-0", folder)


def move(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))


def replace_by_another(folder: Path) -> None:
    [path] = folder.glob("*.log")
    path.unlink()
    path.write_bytes(b"something else")


def replace_by_a_pipe(folder: Path) -> None:
    [path] = folder.glob("*.log")
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "take",
    [
        shutil.rmtree,
        move,
        lambda folder: shutil.rmtree(folder.parent),
        lambda folder: next(folder.glob("*.log")).unlink(),
        replace_by_another,
        replace_by_a_pipe,
    ],
    ids=["rm -r", "mv", "rm -r of the parent", "rm", "another file", "a pipe"],
)
def test_what_somebody_takes_away_is_a_gap(tmp_path: Path, take: Callable[[Path], None]) -> None:
    folder = tmp_path / "logs/worker-0"
    archive = Archive(str(folder), cap=2**30)
    archive.begin()
    archive.write(memoryview(b"one\n"))
    take(folder)
    archive.check()
    archive.write(memoryview(b"two\n"))
    archive.end()
    log = log_of(folder)
    assert (log.gaps(), log.end, log.ended) == ([(0, 4)], 8, True)
    assert log.read(4, 100) == Chunk(4, b"two\n")
    assert (archive.removed, archive.dropped) == (4, 0)
    assert archive.tail(100) == b"two\n"


def test_it_is_noticed_at_the_end_at_the_latest(tmp_path: Path) -> None:
    folder = tmp_path / "logs/worker-0"
    archive = Archive(str(folder), cap=2**30)
    archive.begin()
    archive.write(memoryview(b"one\n"))
    shutil.rmtree(folder)
    archive.write(memoryview(b"two\n"))
    archive.end()
    assert (log_of(folder).gaps(), log_of(folder).ended) == ([(0, 8)], True)


def test_older_segments_that_are_gone_are_counted(tmp_path: Path) -> None:
    archive = Archive(str(tmp_path / "log"), cap=2**30, segment=65536)
    archive.begin()
    archive.write(memoryview(bytes(200_000)))
    shutil.rmtree(tmp_path / "log")
    archive.check()
    archive.write(memoryview(b"after"))
    archive.end()
    assert archive.removed == 200_000
    assert [path.name for path in (tmp_path / "log").glob("*.log")] == [f"{200_000:020}.log"]


def test_the_folder_of_the_attempt_is_not_made_again(tmp_path: Path) -> None:
    """Who removed it wants nothing any more, and would take it for an experiment that is still there."""
    attempt = tmp_path / "1"
    attempt.mkdir()
    archive = Archive(str(attempt / "logs/worker-0"), cap=2**30)
    archive.begin()
    archive.write(memoryview(b"one"))
    shutil.rmtree(attempt)
    archive.check()
    archive.write(memoryview(b"two"))
    archive.end()
    assert not attempt.exists()
    assert archive.dropped == 3


def test_times_go_on_in_a_new_file(tmp_path: Path) -> None:
    archive = Archive(str(tmp_path / "log"), cap=2**30)
    archive.begin()
    archive.write(memoryview(b"one"))
    (tmp_path / "log/times.idx").unlink()
    archive.check()
    archive._stamped_ns = 0
    archive.write(memoryview(b"two"))
    assert (tmp_path / "log/times.idx").stat().st_size == 16
    archive.end()


def test_a_second_beginning_opens_nothing(tmp_path: Path) -> None:
    archive = Archive(str(tmp_path / "log"), cap=2**30)
    archive.begin()
    archive.write(memoryview(b"one"))
    before = os.listdir("/dev/fd")
    archive.begin()
    assert os.listdir("/dev/fd") == before
    archive.end()
    assert len(list((tmp_path / "log").glob("*.log"))) == 1


def test_folders_are_for_the_owner_only(tmp_path: Path) -> None:
    archive = Archive(str(tmp_path / "logs/worker-0"), cap=2**30)
    archive.begin()
    archive.end()
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "logs", tmp_path / "logs/worker-0")] == [0o700, 0o700]


def test_a_replica_that_removes_its_own_logs(attempt: Attempt) -> None:
    logs = attempt.path / "logs"
    attempt.start(
        item("worker-0", f"echo one; sleep 0.3; rm -rf {logs}; while ! test -d {logs}; do sleep 0.1; done; echo two")
    )
    end = attempt.end()
    assert end["status"] == "Succeeded"
    assert end["replicas"][0]["message"] == "4 bytes of its log were lost: their files were removed while it ran"
    log = log_of(logs / "worker-0")
    assert (log.gaps(), log.read(4, 10), log.ended) == ([(0, 4)], Chunk(4, b"two\n"), True)
