"""A collector of pods' logs over a cluster whose pods a test plays."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tornado.ioloop import IOLoop

from submarine_jupyter_server.logs.archive import Gap, ReplicaLog
from submarine_jupyter_server.targets.kubernetes.logs import follower
from submarine_jupyter_server.targets.kubernetes.logs.pod_logs import PodLogs
from tests.targets.kubernetes.logs.pods import EXPERIMENT, FakeCluster

NewLogs = Callable[..., PodLogs]
LogOf = Callable[..., ReplicaLog]
PATIENCE_S = 30.0


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what takes seconds on a cluster take less."""
    for name, seconds in {
        "DOUBT_S": 0.3,
        "NEWS_S": 0.05,
        "TURN_S": 0.1,
        "MISSING_S": 0.3,
        "REFUSED_S": 0.3,
        "QUIET_S": 0.2,
    }.items():
        monkeypatch.setattr(follower, name, seconds)


@pytest.fixture
def fake() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def new_logs(io_loop: IOLoop, fake: FakeCluster, tmp_path: Path) -> Iterator[NewLogs]:
    """Return collectors, as servers after one another have them: ``new_logs(mode="on-demand", limit=2)``."""
    made: list[PodLogs] = []

    def new(**options: Any) -> PodLogs:
        made.append(PodLogs(fake, tmp_path, **{"cap_bytes": 10**9, "mode": "eager", **options}))
        return made[-1]

    yield new
    for logs in made:
        io_loop.run_sync(logs.close)


@pytest.fixture
def log_of(tmp_path: Path) -> LogOf:
    def find(replica: str = "worker-0", attempt: int = 1) -> ReplicaLog:
        return ReplicaLog(EXPERIMENT, attempt, replica, tmp_path / EXPERIMENT / str(attempt) / "logs" / replica)

    return find


def content(log: ReplicaLog) -> bytes:
    """Return the bytes of a log, ``<gap>`` in place of what is lost."""
    found, offset = b"", 0
    while offset < log.end:
        piece = log.read(offset, 1 << 24)
        found += b"<gap>" if isinstance(piece, Gap) else piece.data
        if piece.stop == offset:
            break
        offset = piece.stop
    return found


async def until(holds: Callable[[], object], seconds: float = PATIENCE_S) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
