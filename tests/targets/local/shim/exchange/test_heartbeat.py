"""The time of the lock file says when its holder was last at work."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from submarine_jupyter_server.targets.local.shim.exchange import heartbeat


def test_a_beat_is_now_but_not_too_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lock"
    lock = os.open(path, os.O_RDWR | os.O_CREAT)
    heart = heartbeat.Heartbeat(lock)
    os.utime(path, (1, 1))
    heart.beat()
    assert path.stat().st_mtime > 1
    os.utime(path, (1, 1))
    heart.beat()
    assert path.stat().st_mtime == 1
    monkeypatch.setattr(heartbeat, "PERIOD_S", 0)
    path.unlink()  # somebody removed it: no reason to fail
    heartbeat.Heartbeat(lock).beat()
    os.close(lock)
    heartbeat.Heartbeat(lock).beat()
