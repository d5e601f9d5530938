"""Log pump: how fast the output of a replica gets into its log."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.probed import loop_row, probed_server
from tests.benchmarks.table import Row

MB = 1000
# Lines of 100 bytes, in pieces of 1 MiB as a buffered program writes them.
WRITER = "import os; block = (b'x' * 99 + b'\\n') * 10486; [os.write(1, block) for _ in range({count})]"


def run() -> list[Row]:
    """Measure a replica that writes 1 GB; the peer is the same program with its output in a file."""
    writer = WRITER.format(count=MB)
    with probed_server(f"--SubmarineExtension.log_cap_bytes={4 << 30}") as server:
        spec = {"Worker": {"resources": "cpu=1"}}
        meta = {"name": "pump", "framework": "Standalone", "cmd": f'python -I -S -c "{writer}"'}
        made = server.result("POST", json={"meta": meta, "spec": spec})["experimentId"]
        replica = server.ended(made, 120)["detail"]["replicas"][0]
        took = _seconds(replica["finishedTime"]) - _seconds(replica["startedTime"])
        written = sum(file.stat().st_size for file in server.data.glob(f"runs/{made}/1/logs/worker-0/*.log"))
        loop = server.loop()
    with tempfile.NamedTemporaryFile() as file:
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-I", "-S", "-c", writer], stdout=file, check=True, cwd=Path("/"))
        plain = written / 1e6 / (time.perf_counter() - begin)
    speed = written / 1e6 / took
    peer = f"{speed / plain:.2f} x a redirect to a file ({plain:.0f} MB/s)"
    return [Row(f"{written / 1e6:.0f} MB", f"{speed:.0f} MB/s", "200 MB/s", peer), loop_row(loop, "pumping")]


def _seconds(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()
