"""POST -> first log line of a trivial command."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.benchmarks import kubeflow
from tests.benchmarks.probed import ProbedServer, loop_row, probed_server
from tests.benchmarks.table import Row

ROUNDS = 30
SCRIPT = "print('ready')"
BODY: dict[str, Any] = {
    "meta": {"name": "bench", "framework": "Standalone", "cmd": f'python -I -S -c "{SCRIPT}"'},
    "spec": {"Worker": {"resources": "cpu=100m"}},
}


def run() -> list[Row]:
    """Measure our way, plain Popen and the Kubeflow SDK's local backend."""
    with probed_server() as server:
        _once(server)
        ours = [_once(server) for _ in range(ROUNDS)]
        loop = server.loop()
    plain = statistics.median(_plain() for _ in range(ROUNDS))
    median = statistics.median(ours)
    peer = f"{median / plain:.1f} x subprocess.Popen ({plain:.0f} ms)"
    rows = [Row(f"median of {ROUNDS} (slowest {max(ours):.0f} ms)", f"{median:.0f} ms", "150 ms", peer)]
    theirs = kubeflow.first_line_ms()
    if isinstance(theirs, str):
        rows.append(Row("Kubeflow SDK, local backend", theirs))
    else:
        rows.append(Row("Kubeflow SDK, local backend", f"{theirs:.0f} ms", "", f"{theirs / median:.0f} x ours"))
    return [*rows, loop_row(loop, "submitting")]


def _once(server: ProbedServer) -> float:
    begin = time.perf_counter()
    made = server.result("POST", json=BODY)["experimentId"]
    follow = {"follow": "true"}
    with server.http.stream("GET", f"{server.url}/logs/{made}", params=follow) as stream:
        for line in stream.iter_lines():
            if line.startswith("data:") and "ready" in line:
                took = time.perf_counter() - begin
                break
        else:
            raise AssertionError("no line came")
    server.ended(made)
    return took * 1000


def _plain() -> float:
    begin = time.perf_counter()
    command = [sys.executable, "-I", "-S", "-c", SCRIPT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path("/")) as process:
        assert process.stdout is not None
        process.stdout.readline()
        return (time.perf_counter() - begin) * 1000
