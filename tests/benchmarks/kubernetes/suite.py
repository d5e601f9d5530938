"""Run benchmarks on one cluster and print one table."""

from __future__ import annotations

import importlib
import os
import sys
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.benchmarks.kubernetes import QUIET
from tests.benchmarks.kubernetes.rig import Rig, rig
from tests.benchmarks.table import Row, show


def run(names: Sequence[str], idle_s: float) -> None:
    """Run the benchmarks with these names; what fails has a row that says so."""
    rows: list[Row] = []
    for name in names:  # two threads that import at once get half a module
        importlib.import_module(f"tests.benchmarks.kubernetes.{name}")
    with rig(idle_s) as found, ThreadPoolExecutor(1) as beside:
        # To count the requests of an idle server takes minutes and no processor: it is watched beside the others.
        idle = beside.submit(_one, "idle", found) if "idle" in names else None
        try:
            for name in (name for name in names if name in QUIET):
                rows += _one(name, found)
            rows += idle.result() if idle else []
            for name in (name for name in names if name not in (*QUIET, "idle")):
                rows += _one(name, found)
        finally:
            kubernetes = found.cluster.api.get("/version")["gitVersion"]
            title = f"kubernetes: {kubernetes}, {os.cpu_count()} processors shared with the control plane"
            print(show(title, rows), flush=True)


def _one(name: str, found: Rig) -> list[Row]:
    module = importlib.import_module(f"tests.benchmarks.kubernetes.{name}")
    title = (module.__doc__ or name).splitlines()[0].rstrip(".")
    print(f"kubernetes.{name} ...", file=sys.stderr, flush=True)
    before, begin = os.getloadavg()[0], time.monotonic()
    try:
        rows: list[Row] = module.run(found)
    except Exception as error:  # noqa: BLE001 - the others are worth their time
        traceback.print_exc()
        rows = [Row("failed", f"{type(error).__name__}: {str(error)[:100]}")]
    took, after = time.monotonic() - begin, os.getloadavg()[0]
    for row in rows:
        print(f"kubernetes.{name}: {row.what}: {row.value} ({row.peer})", file=sys.stderr, flush=True)
    return [Row(f"{title} [{took:.0f} s, load {before:.1f} to {after:.1f}]", ""), *(row.indented() for row in rows)]
