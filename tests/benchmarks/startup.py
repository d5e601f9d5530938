"""What the extension adds to the start of Jupyter Server."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.benchmarks.table import Row
from tests.live_server import TOKEN, free_port

ROUNDS = 7


def run() -> list[Row]:
    """Measure a bare Jupyter Server and one with the extension, in turn; memory once both are at rest."""
    bare, ours = [], []
    for _ in range(ROUNDS):
        bare.append(_start("{}"))
        ours.append(_start('{"submarine_jupyter_server": True}'))
    # The least disturbed start of each: other work on the machine only ever adds.
    seconds = [min(found[0] for found in runs) for runs in (bare, ours)]
    memory = [statistics.median(found[1] for found in runs) for runs in (bare, ours)]
    added, grown = (seconds[1] - seconds[0]) * 1000, (memory[1] - memory[0]) / 1e6
    return [
        Row(
            "time until it answers", f"+{added:.0f} ms", "150 ms", f"{seconds[1] / seconds[0]:.2f} x {seconds[0]:.2f} s"
        ),
        Row("memory at rest", f"+{grown:.1f} MB", "30 MB", f"{memory[1] / memory[0]:.2f} x {memory[0] / 1e6:.0f} MB"),
    ]


def _start(extensions: str) -> tuple[float, int]:
    """Return the seconds until the server answered, and its resident memory 3 s later (bytes)."""
    begin = time.perf_counter()
    with bare(extensions) as pid:
        took = time.perf_counter() - begin
        time.sleep(3)
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return took, pages * 4096


@contextmanager
def bare(extensions: str = "{}") -> Iterator[int]:
    """Run a Jupyter Server with just these extensions, which answers, and give its process."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        env = {key: value for key, value in os.environ.items() if not key.startswith(("JUPYTER", "JPY"))}
        env |= {f"JUPYTER_{kind}_DIR": f"{folder}/{kind}" for kind in ("CONFIG", "RUNTIME", "DATA")}
        env |= {"JUPYTER_TOKEN": TOKEN, "JUPYTER_NO_CONFIG": "1", "TMPDIR": folder}
        options = [f"--ServerApp.port={port}", f"--ServerApp.jpserver_extensions={extensions}", "--allow-root"]
        command = [sys.executable, "-m", "jupyter_server", *options, "--no-browser", f"--ServerApp.root_dir={folder}"]
        process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while not _answers(port):
                time.sleep(0.005)
            yield process.pid
        finally:
            process.kill()
            process.wait()


def _answers(port: int) -> bool:
    try:
        url = f"http://127.0.0.1:{port}/api"
        return httpx.get(url, headers={"Authorization": f"token {TOKEN}"}, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
