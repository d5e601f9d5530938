"""GET logs?tail of a log of 1 GiB."""

from __future__ import annotations

import statistics
import subprocess
import time
from pathlib import Path

from tests.benchmarks.probed import ProbedServer, loop_row, probed_server
from tests.benchmarks.table import Row

SEGMENT = 64 * 1024 * 1024
SEGMENTS = 16
ROUNDS = 20


def run() -> list[Row]:
    """Measure the last 100 and 10,000 lines; the peer is the program ``tail`` on the newest segment."""
    with probed_server() as server:
        body = {"meta": {"name": "tail", "framework": "Standalone", "cmd": "true"}, "spec": {"Worker": {}}}
        made = server.result("POST", json=body)["experimentId"]
        server.ended(made)
        newest = _write(server.data / "runs" / made / "1" / "logs" / "worker-0")
        before = server.loop().rss
        rows = []
        for lines in (100, 10_000):
            took = statistics.median(_timed(server, made, lines) for _ in range(ROUNDS))
            begin = time.perf_counter()
            subprocess.run(["tail", "-n", str(lines), newest], stdout=subprocess.DEVNULL, check=True)
            plain = (time.perf_counter() - begin) * 1000
            peer = f"{took / plain:.1f} x tail -n ({plain:.1f} ms)"
            rows.append(Row(f"last {lines:,} lines", f"{took:.1f} ms", "100 ms", peer))
        loop = server.loop()
    grown = (loop.rss - before) / 1e6
    return [*rows, Row("memory growth", f"{grown:.1f} MB", "20 MB"), loop_row(loop, "reading")]


def _write(folder: Path) -> Path:
    line = b"2026-01-01 00:00:00 step 000000 loss 0.123456 accuracy 0.987654 some more words\n"
    block = (line * (SEGMENT // len(line) + 1))[:SEGMENT]
    for number in range(SEGMENTS):
        newest = folder / f"{number * SEGMENT:020d}.log"
        newest.write_bytes(block)
    return newest


def _timed(server: ProbedServer, experiment_id: str, lines: int) -> float:
    begin = time.perf_counter()
    found = server.result("GET", f"/logs/{experiment_id}", params={"tail": lines})
    took = time.perf_counter() - begin
    assert len(found["logContent"][0]["podLog"]) in range(lines - 1, lines + 1)
    return took * 1000
