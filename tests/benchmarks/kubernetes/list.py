"""GET of 2,500 experiments of the target, three pages."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.kubernetes import objects, pods, raw
from tests.benchmarks.kubernetes.rig import Rig, TargetServer
from tests.benchmarks.table import Row, percentile
from tests.kubernetes.proxy import Proxy

COUNT = 2500
ROUNDS = 30
PAGE = 1000


def run(rig: Rig) -> list[Row]:
    """Measure with a proxy before the API server that counts; the peer asks that for as many pods, as one must
    who keeps nothing.
    """
    namespace, kubeconfig = rig.namespace()
    crowd = pods.ensure(rig, COUNT)
    with tempfile.TemporaryDirectory(prefix="submarine-bench-") as folder:
        proxy = Proxy(kubeconfig, Path(folder))
        try:
            with rig.server(namespace, proxy.kubeconfig) as server:
                experiment = server.submit(objects.program(objects.ENDS))
                server.ended(experiment)
                _fill(server.data / "submarine.db")
                begin = time.monotonic()
                ours = asyncio.run(_ours(server))
                asked = [request for request in proxy.since(begin) if not request.watches]
        finally:
            proxy.close()
    theirs = asyncio.run(_theirs(rig, crowd))
    mine, other = statistics.median(ours), statistics.median(theirs)
    what = f"p50 / p99 of {ROUNDS}"
    figures = f"{mine:.0f} / {percentile(ours, 0.99):.0f} ms"
    return [
        Row(what, figures, "120 ms", f"{mine / other:.2f} x raw list and parse of {COUNT:,} pods ({other:.0f} ms)"),
        Row(
            "requests to the API server meanwhile", str(len(asked)), "0", "one for each page; SDK list_jobs: 3 per job"
        ),
    ]


async def _ours(server: TargetServer) -> list[float]:
    found = []
    async with raw.ours(server.url) as session:
        for _ in range(ROUNDS):
            begin = time.perf_counter()
            query, count = {"limit": str(PAGE)}, 0
            while query:
                answer = await raw.call(session, "GET", "/api/v1/experiment", params=query)
                count += len(answer["result"])
                cursor: str | None = (answer.get("attributes") or {}).get("nextCursor")
                query = {"limit": str(PAGE), "cursor": cursor} if cursor else {}
            assert count == COUNT, count
            found.append((time.perf_counter() - begin) * 1000)
    return found


async def _theirs(rig: Rig, namespace: str) -> list[float]:
    found = []
    async with raw.cluster(rig.cluster.kubeconfig) as api:
        for _ in range(3):
            begin = time.perf_counter()
            query, count = {"limit": str(PAGE)}, 0
            while query and count < COUNT:
                answer = await raw.call(api, "GET", f"/api/v1/namespaces/{namespace}/pods", params=query)
                count += len(answer["items"])
                more = answer["metadata"].get("continue")
                query = {"limit": str(min(PAGE, COUNT - count)), "continue": more} if more else {}
            found.append((time.perf_counter() - begin) * 1000)
    return found


def _fill(file: Path) -> None:
    """Copy the one real row until there are enough."""
    with sqlite3.connect(file, timeout=30) as db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(experiment)") if row[1] != "seq"]
        model = dict(zip(columns, db.execute(f"SELECT {','.join(columns)} FROM experiment").fetchone(), strict=True))  # noqa: S608
        statement = f"INSERT INTO experiment ({','.join(columns)}) VALUES ({','.join('?' * len(columns))})"  # noqa: S608
        db.executemany(statement, (tuple(_row(model, i)[name] for name in columns) for i in range(1, COUNT)))
    db.close()


def _row(model: dict[str, Any], number: int) -> dict[str, Any]:
    wire = json.loads(str(model["wire_spec"]))
    wire["meta"]["experimentId"] = f"experiment-1-{number:04d}"
    changes = {"id": wire["meta"]["experimentId"], "uid": f"uid-{number}", "wire_spec": json.dumps(wire)}
    return {**model, **changes}
