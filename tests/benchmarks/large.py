"""The largest that is allowed: lists of experiments with much code, and dry runs with many replicas."""

from __future__ import annotations

import statistics
import time
from typing import Any

from tests.benchmarks.probed import ProbedServer, probed_server
from tests.benchmarks.table import Row

COUNT, CODE = 150, 500_000
WORKERS = 1000
ROUNDS = 5


def run() -> list[Row]:
    """Measure a list and a dry run, and how long the event loop is held; the peers are small ones."""
    rows = []
    for code in (0, CODE):
        with probed_server("--SubmarineExtension.local_cpus=0.01") as server:
            for _ in range(COUNT):
                server.result("POST", json=_body(code))
            server.loop()
            took, size = _timed(server, "GET", "", params={"limit": COUNT})
            rows.append((took, size, server.loop()))
    (small_ms, small, _), (large_ms, large, held) = rows
    with probed_server() as server:
        one_ms, _ = _timed(server, "POST", "", params={"dryRun": "true"}, json=_workers(1))
        server.loop()
        many_ms, answer = _timed(server, "POST", "", params={"dryRun": "true"}, json=_workers(WORKERS))
        stall = server.loop()
    return [
        Row(
            f"list of {COUNT} with {CODE // 1000} KB of code each",
            f"{large_ms:.0f} ms, {large / 1e6:.2f} MB",
            "as without code",
            f"{large_ms / small_ms:.1f} x without code ({small_ms:.0f} ms, {small / 1e6:.2f} MB)",
        ),
        Row("  event loop held at most", f"{held.worst:.1f} ms", "20 ms"),
        Row(
            f"dry run of {WORKERS:,} TensorFlow workers",
            f"{many_ms:.0f} ms, {answer / 1e6:.1f} MB",
            "",
            f"{many_ms / one_ms:.0f} x of one ({one_ms:.0f} ms)",
        ),
        Row("  event loop held at most", f"{stall.worst:.1f} ms", "100 ms"),
    ]


def _body(code: int) -> dict[str, Any]:
    meta = {"name": "bench", "framework": "Standalone", "cmd": "true"}
    body: dict[str, Any] = {"meta": meta, "spec": {"Worker": {"resources": "cpu=1m"}}}
    if code:
        body["code"] = {"syncMode": "inline", "files": {"train.py": "#" * code}}
    return body


def _workers(count: int) -> dict[str, Any]:
    meta = {"name": "bench", "framework": "TensorFlow", "cmd": "python train.py"}
    return {"meta": meta, "spec": {"Worker": {"replicas": count, "resources": "cpu=1m,memory=1M"}}}


def _timed(server: ProbedServer, method: str, path: str, **more: Any) -> tuple[float, int]:
    """Return the median time (ms) and the size of an answer."""
    took, size = [], 0
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        answer = server.http.request(method, f"{server.url}{path}", **more)
        took.append(time.perf_counter() - begin)
        assert answer.status_code == 200, answer.text[:500]
        size = len(answer.content)
    return statistics.median(took) * 1000, size
