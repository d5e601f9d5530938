"""Requests of an idle server to the API server, with 50 running experiments."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.benchmarks.kubernetes import objects
from tests.benchmarks.kubernetes.rig import Rig
from tests.benchmarks.table import Row
from tests.cluster.api import wait
from tests.kubernetes.proxy import Proxy, Request

COUNT = 50
_OTHERS = ("log", "readyz")


def run(rig: Rig) -> list[Row]:
    """Count them with a proxy before the API server; a client that polls each job every 2 s makes 1,500 a minute."""
    namespace, kubeconfig = rig.namespace()
    with tempfile.TemporaryDirectory(prefix="submarine-bench-") as folder:
        proxy = Proxy(kubeconfig, Path(folder))
        try:
            with rig.server(namespace, proxy.kubeconfig) as server:
                for _ in range(COUNT):
                    server.submit(objects.program(objects.STAYS))
                running = {"status": "Running", "limit": COUNT}
                wait("them to run", lambda: len(server.result("GET", params=running)) == COUNT, seconds=120)
                followed = lambda: server.target()["health"]["logs"]["following"] == COUNT  # noqa: E731
                wait("their logs to be followed", followed, seconds=60)
                time.sleep(2)
                begin = time.monotonic()
                time.sleep(rig.idle_s)
                took = time.monotonic() - begin
                kinds = Counter(_kind(request) for request in proxy.since(begin))
        finally:
            proxy.close()
    return _rows(kinds, took)


def _rows(kinds: Counter[str], took: float) -> list[Row]:
    per_minute = sum(kinds.values()) / took * 60
    watched = {kind: count for kind, count in kinds.items() if kind not in _OTHERS}
    most = max(watched.values(), default=0) / took * 240
    listed = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common()) or "none"
    polls = COUNT * 30
    return [
        Row("per minute, all", f"{per_minute:.1f}", "", f"polls of each job every 2 s: {polls:,}"),
        Row("most of one kind in 4 min", f"{most:.1f}", "1", f"in {took:.0f} s: {listed}"),
    ]


def _kind(request: Request) -> str:
    return request.path.rstrip("/").rpartition("/")[2]
