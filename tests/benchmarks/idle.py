"""What a server costs that nobody uses, and one whose queue is long."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.history import multiply
from tests.benchmarks.startup import bare
from tests.benchmarks.submit import BODY
from tests.benchmarks.table import Row
from tests.live_server import LiveServer, kill_experiments, processes_of

WATCHED_S = 30.0
FINISHED, RUNNING, QUEUED = 500, 50, 1000


@dataclass(frozen=True)
class Cost:
    """Share of a core, and how often a thread woke up in a second."""

    core: float
    wakeups: float

    def __str__(self) -> str:
        return f"{self.core:.2%} of a core, {self.wakeups:.1f} wake-ups/s"


def run() -> list[Row]:
    """Measure a bare Jupyter Server, ours with 500 finished experiments, and ours with 1,000 queued and 50 running."""
    with bare() as pid:
        without = _cost(pid)
    with _server() as server:
        server.ended(server.result("POST", json=BODY)["experimentId"])
        server.kill()
        multiply(server.data, FINISHED)
        server.start()
        assert server.wait_ready(), server.log()
        server.ended(server.result("POST", json=BODY)["experimentId"])
        idle = _cost(server.pid)
    with _server(f"--SubmarineExtension.local_cpus={RUNNING}") as server:
        busy, shims = _queue(server)
    return [
        Row(f"{FINISHED} finished", str(idle), "+0.05 %, +1/s", f"bare Jupyter Server: {without}"),
        Row(f"{RUNNING} running, {QUEUED:,} queued", str(busy), "2 %", f"their supervisors: {shims:.2%} of a core"),
    ]


def _queue(server: LiveServer) -> tuple[Cost, float]:
    meta = {"name": "bench", "framework": "Standalone", "cmd": "sleep 3600"}
    body = {"meta": meta, "spec": {"Worker": {"resources": "cpu=1"}}}
    for _ in range(RUNNING + QUEUED):
        server.result("POST", json=body)
    _until(lambda: len(_listed(server, "Running")) == RUNNING)
    try:
        parents = {_parent(pid) for pid in processes_of("experiment-")} - {0, 1}
        before = sum(map(_cpu_s, parents))
        cost = _cost(server.pid)
        shims = (sum(map(_cpu_s, parents)) - before) / WATCHED_S
        assert len(_listed(server, "Running")) == RUNNING
        return cost, shims
    finally:
        server.kill()
        kill_experiments(server.folder)


def _listed(server: LiveServer, status: str) -> list[object]:
    found: list[object] = server.result("GET", params={"status": status, "limit": RUNNING * 2})
    return found


@contextmanager
def _server(*options: str) -> Iterator[LiveServer]:
    with tempfile.TemporaryDirectory(prefix="submarine-bench-") as folder:
        server = LiveServer(Path(folder), *options)
        server.start()
        assert server.wait_ready(), server.log()
        try:
            yield server
        finally:
            server.kill()
            server.http.close()


def _cost(pid: int) -> Cost:
    """Watch a process that is left alone."""
    time.sleep(5)
    begin, before = time.monotonic(), _threads(pid)
    time.sleep(WATCHED_S)
    took, after = time.monotonic() - begin, _threads(pid)
    # Thread by thread: one that has ended takes what it used out of the sum.
    used = [
        (cpu - before.get(tid, (0, 0))[0], woken - before.get(tid, (0, 0))[1]) for tid, (cpu, woken) in after.items()
    ]
    return Cost(sum(cpu for cpu, _ in used) / took, sum(woken for _, woken in used) / took)


def _threads(pid: int) -> dict[str, tuple[float, int]]:
    """Return the processor time (s) of each thread, and how often it gave the processor back to wait for something."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):  # it has ended
            woken = (task / "status").read_text().rpartition("\nvoluntary_ctxt_switches:")[2].split()[0]
            found[task.name] = int((task / "schedstat").read_text().split()[0]) / 1e9, int(woken)
    return found


def _cpu_s(pid: int) -> float:
    return sum(cpu for cpu, _ in _threads(pid).values())


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


def _until(holds: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.5)
