"""A sync is shared by those who wait for it, and by nobody whose change may have come too late for it."""

from __future__ import annotations

import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from submarine_jupyter.files import atomic_files
from submarine_jupyter_server.targets.local.rundir.shared_sync import SharedSync


class Disk:
    """Stands in for the disk: each sync waits until it is let go, and fails as often as it is told."""

    def __init__(self, failures: int = 0) -> None:
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.syncs = 0
        self.failures = failures

    def sync(self, path: Path) -> None:
        self.syncs += 1
        self.begun.release()
        assert self.go.acquire(timeout=30)
        if self.syncs <= self.failures:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))


class Turn:
    """A lock that counts who has come to it."""

    def __init__(self) -> None:
        self.arrived = threading.Semaphore(0)
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self.arrived.release()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def test_nobody_is_content_with_a_sync_that_began_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk, shared = Disk(), SharedSync(tmp_path)
    monkeypatch.setattr(atomic_files, "sync", disk.sync)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(shared)
        assert disk.begun.acquire(timeout=30)
        second = pool.submit(shared)
        disk.go.release()
        first.result(30)
        assert disk.begun.acquire(timeout=30)
        assert not second.done()
        disk.go.release()
        second.result(30)
    assert disk.syncs == 2


def test_all_who_wait_share_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk, shared, turn = Disk(), SharedSync(tmp_path), Turn()
    monkeypatch.setattr(atomic_files, "sync", disk.sync)
    monkeypatch.setattr(shared, "_turn", turn)
    with ThreadPoolExecutor(21) as pool:
        calls = [pool.submit(shared)]
        assert disk.begun.acquire(timeout=30)
        calls += [pool.submit(shared) for _ in range(20)]
        for _ in calls:
            assert turn.arrived.acquire(timeout=30)
        disk.go.release(2)
        for call in calls:
            call.result(30)
    assert disk.syncs == 2


def test_a_sync_that_failed_is_nobodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk, shared = Disk(failures=1), SharedSync(tmp_path)
    monkeypatch.setattr(atomic_files, "sync", disk.sync)
    disk.go.release(2)
    with pytest.raises(OSError, match="Input/output"):
        shared()
    shared()
    assert disk.syncs == 2


def test_a_folder_is_synced(tmp_path: Path) -> None:
    SharedSync(tmp_path)()
    with pytest.raises(FileNotFoundError):
        SharedSync(tmp_path / "gone")()
