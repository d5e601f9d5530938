"""GET logs?search of a log of 1 GiB."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path

import psutil

from tests.benchmarks.probed import ProbedServer, loop_row, probed_server
from tests.benchmarks.table import Row

SEGMENT = 64 * 1024 * 1024
SEGMENTS = 16
SEARCHES = {
    "a text": {"search": "CUDA error: out of memory"},
    "ignoring case": {"search": "cuda error: out of memory", "ignoreCase": "true"},
    "an expression": {"search": r"CUDA error: (out of memory|device-side)", "regex": "true"},
}


def run() -> list[Row]:
    """Measure processor time for what is nowhere; the peer is ``grep -F`` over the same files, in the same run."""
    with probed_server() as server:
        body = {"meta": {"name": "search", "framework": "Standalone", "cmd": "true"}, "spec": {"Worker": {}}}
        made = server.result("POST", json=body)["experimentId"]
        server.ended(made)
        folder = server.data / "runs" / made / "1" / "logs" / "worker-0"
        _write(folder)
        plain = _grep(folder)
        _seconds(server, made, {"search": "nothing at all"})
        before = server.loop().rss
        rows = []
        for name, query in SEARCHES.items():
            if "regex" in query and importlib.util.find_spec("re2") is None:
                continue  # the extra `search` is not installed
            took = min(_seconds(server, made, query) for _ in range(3))
            peer = f"{took / plain:.1f} x grep -F ({plain:.2f} s)"
            rows.append(Row(f"{name}, processor time", f"{took:.2f} s", "1.2 s" if name == "a text" else "", peer))
        loop = server.loop()
    grown = (loop.rss - before) / 1e6
    return [*rows, Row("memory growth", f"{grown:.1f} MB", "20 MB"), loop_row(loop, "searching")]


def _write(folder: Path) -> None:
    line = b"2026-01-01 00:00:00 step 000000 loss 0.123456 accuracy 0.987654 some more words\n"
    block = (line * (SEGMENT // len(line) + 1))[:SEGMENT]
    for number in range(SEGMENTS):
        (folder / f"{number * SEGMENT:020d}.log").write_bytes(block)


def _grep(folder: Path) -> float:
    before = psutil.Process().cpu_times()
    subprocess.run(["grep", "-rcF", "CUDA error: out of memory", folder], stdout=subprocess.DEVNULL, check=False)
    after = psutil.Process().cpu_times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def _seconds(server: ProbedServer, experiment_id: str, query: dict[str, str]) -> float:
    process = psutil.Process(server.pid)
    before = process.cpu_times()
    position = None
    while True:
        params = query | ({"after": position} if position else {})
        answer = server.http.get(f"{server.url}/logs/{experiment_id}", params=params).json()
        assert answer["result"]["matches"] == []
        position = answer["attributes"]["next"]
        if "truncated" not in answer["attributes"]:
            break
    after = process.cpu_times()
    return after.user + after.system - before.user - before.system
