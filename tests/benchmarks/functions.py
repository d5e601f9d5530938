"""Remote functions: f(1) from the call to the value, and what %load_ext costs."""

from __future__ import annotations

import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cloudpickle

from submarine_jupyter import SubmarineClient, remote
from tests.benchmarks import kubeflow
from tests.benchmarks.imports import LOAD, SHELL, measured
from tests.benchmarks.probed import loop_row, probed_server
from tests.benchmarks.table import Row
from tests.live_server import TOKEN

ROUNDS = 20
# What any way through another process has to do.
BARE = (
    "import sys, cloudpickle; function, arguments = cloudpickle.load(sys.stdin.buffer);"
    "sys.stdout.buffer.write(cloudpickle.dumps(function(*arguments)))"
)
CONTACTS = "import sys; sys.addaudithook(lambda name, _: name.startswith('socket.connect') and print('contact'))"


def run() -> list[Row]:
    """Measure f(1), a bare process that does the same, Kubeflow's local backend, and %load_ext."""
    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # as what a notebook defines
    with tempfile.TemporaryDirectory() as folder, probed_server() as server:
        os.environ["JUPYTER_RUNTIME_DIR"] = folder
        with SubmarineClient(server.url.removesuffix("api/v1/experiment"), TOKEN) as client:
            function = remote(cpu="100m", client=client)(_next)
            _once(lambda: function(1))
            ours = [_once(lambda: function(1)) for _ in range(ROUNDS)]
        loop = server.loop()
    bare = statistics.median(_once(_bare) for _ in range(ROUNDS))
    median = statistics.median(ours)
    peer = f"{median / bare:.1f} x a bare process that unpickles and calls ({bare:.0f} ms)"
    rows = [Row(f"f(1), median of {ROUNDS} (slowest {max(ours):.0f} ms)", f"{median:.0f} ms", "400 ms", peer)]
    theirs = kubeflow.first_line_ms()
    said = theirs if isinstance(theirs, str) else f"{theirs:.0f} ms"
    times = "" if isinstance(theirs, str) else f"{theirs / median:.0f} x ours"
    rows.append(Row("Kubeflow SDK, local backend, to its first line", said, "", times))
    took, modules, heavy = measured(LOAD, f"{SHELL}\n{CONTACTS}")
    rows.append(Row(f"%load_ext: {modules} modules, heavy ones: {heavy}; contacts nothing", f"{took:.0f} ms", "60 ms"))
    return [*rows, loop_row(loop, "calling")]


def _next(x: int) -> int:
    return x + 1


def _bare() -> int:
    sent = cloudpickle.dumps((_next, (1,)))
    done = subprocess.run([sys.executable, "-c", BARE], input=sent, capture_output=True, check=True, cwd=Path.cwd())
    return int(pickle.loads(done.stdout))  # noqa: S301


def _once(call: object) -> float:
    begin = time.perf_counter()
    assert callable(call)
    assert call() == 2
    return (time.perf_counter() - begin) * 1000
