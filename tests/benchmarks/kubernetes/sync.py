"""Cold sync of 10,000 pending pods into the cache of a new process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from typing import Any

from tests.benchmarks.kubernetes import pods
from tests.benchmarks.kubernetes.rig import Rig
from tests.benchmarks.table import Row

COUNT = 10_000
ROUNDS = 3
Found = dict[str, Any]


def run(rig: Rig) -> list[Row]:
    """Measure ours and the bare list in turn, then those who make objects of it all, once."""
    namespace = pods.ensure(rig, COUNT)
    ours, bare = [], []
    for _ in range(ROUNDS):
        bare.append(_probe("bare", rig, namespace))
        ours.append(_probe("ours", rig, namespace))
    # The least disturbed: other work on the machine only ever adds.
    mine, floor = (min(found, key=lambda one: float(one["s"])) for found in (ours, bare))
    assert mine["count"] == COUNT, mine
    models = _probe("models", rig, namespace)
    stall = min(found["stall_ms"] for found in ours)
    floor_text = f"{mine['s'] / floor['s']:.1f} x a bare list of {floor['count'] / 1e6:.0f} MB ({floor['s']:.2f} s)"
    theirs = f"kubernetes package {models['s']:.1f} s, {models['grown']:.0f} MB, held {models['stall_ms']:.0f} ms"
    return [
        Row("time (processor time)", f"{mine['s']:.2f} s ({mine['cpu_s']:.2f} s)", "1.5 s", floor_text),
        Row("memory growth (peak)", f"{mine['grown']:.0f} MB ({mine['peak']:.0f} MB)", "20 MB", theirs),
        Row("event loop held (processor time)", f"{stall:.0f} ms ({mine['held_ms']:.0f} ms)", "50 ms"),
        _kubectl(rig, namespace),
    ]


def _probe(way: str, rig: Rig, namespace: str) -> Found:
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks.kubernetes.sync_probe",
        way,
        str(rig.cluster.kubeconfig),
        namespace,
    ]
    found: Found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return found


def _kubectl(rig: Rig, namespace: str) -> Row:
    if shutil.which("kubectl") is None:
        return Row("kubectl get pods -o json", "there is no kubectl here")
    # One page, as the others do.
    command = ["kubectl", "--kubeconfig", str(rig.cluster.kubeconfig), "-n", namespace, "get", "pods", "-o", "json"]
    begin = time.perf_counter()
    process = subprocess.Popen([*command, "--chunk-size=0"], stdout=subprocess.DEVNULL)
    _, code, usage = os.wait4(process.pid, 0)
    process.returncode = code
    took = time.perf_counter() - begin
    return Row("kubectl get pods -o json", f"{took:.1f} s ({usage.ru_utime:.1f} s), {usage.ru_maxrss / 1024:.0f} MB")
