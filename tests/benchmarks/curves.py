"""GET {id}/metrics?points: 1,000 points of curves of 100,000 and of 1,000,000."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import psutil

from submarine_jupyter_server.store.reported import metrics
from submarine_jupyter_server.store.sqlite.database import SqliteDatabase
from tests.benchmarks.probed import ProbedServer, loop_row, probed_server
from tests.benchmarks.table import Row

SIZES = (100_000, 1_000_000)
POINTS = 1000
ROUNDS = 20
AT_ONCE = 10_000


def run() -> list[Row]:
    """Measure processor time of the server; the peer reads the same points with plain sqlite3 and thins nothing."""
    rows = []
    with probed_server() as server:
        for size in SIZES:
            made = server.result("POST", json=_body())["experimentId"]
            server.ended(made)
            asyncio.run(_fill(server.data / "submarine.db", made, size))
            plain = _plain(server.data / "submarine.db", made)
            _ask(server, made, ROUNDS)
            server.loop()
            took = min(_ask(server, made, ROUNDS) for _ in range(3))
            peer = f"{took / plain:.2f} x reading all ({plain:.0f} ms)"
            goal = "30 ms" if size == SIZES[0] else ""
            rows.append(Row(f"{size:>9,} points as {POINTS:,}, processor time", f"{took:.0f} ms", goal, peer))
            rows.append(loop_row(server.loop(), "reading").indented())
    return rows


def _body() -> dict[str, object]:
    return {"meta": {"name": "curve", "framework": "Standalone", "cmd": "true"}, "spec": {"Worker": {}}}


async def _fill(file: Path, experiment_id: str, size: int) -> None:
    """Store points as they are read from a log, by another connection to the same database."""
    db = await SqliteDatabase.open(file)
    try:
        for first in range(0, size, AT_ONCE):
            rows = [("loss", step * 2654435761 % 10**6 / 10**6, step, step) for step in range(first, first + AT_ONCE)]
            position = 10**9 + first
            await db.write(
                lambda tx, rows=rows, at=position: metrics.record(tx, experiment_id, 1, "worker-0", at, rows)  # type: ignore[misc]
            )
    finally:
        await db.close()


def _plain(file: Path, experiment_id: str) -> float:
    """Return the processor time (ms) of reading all points."""
    process = psutil.Process()
    with sqlite3.connect(file) as db:
        before = process.cpu_times()
        db.execute(
            "SELECT step, value, at FROM metric JOIN curve ON number = curve WHERE experiment_id = ? ORDER BY seq",
            (experiment_id,),
        ).fetchall()
        after = process.cpu_times()
    db.close()
    return (after.user + after.system - before.user - before.system) * 1000


def _ask(server: ProbedServer, experiment_id: str, rounds: int) -> float:
    """Return the processor time (ms) of the server for one answer."""
    process = psutil.Process(server.pid)
    before = process.cpu_times()
    for _ in range(rounds):
        answer = server.http.get(f"{server.url}/{experiment_id}/metrics", params={"points": str(POINTS)})
        [series] = answer.json()["result"]["series"]
        assert POINTS // 2 <= len(series["points"]) <= POINTS
    after = process.cpu_times()
    return (after.user + after.system - before.user - before.system) * 1000 / rounds
