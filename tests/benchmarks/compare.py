"""GET compare: 1,500 runs with 1,500 metrics of 20 steps each."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import psutil

from tests.benchmarks.listing import body, fill
from tests.benchmarks.probed import ProbedServer, loop_row, probed_server
from tests.benchmarks.table import Row

RUNS, METRICS, STEPS = 1500, 1500, 20
SAMPLED = 10
ROUNDS = 3


def run() -> list[Row]:
    """Measure processor time; the peer finds the extremes among the points with plain sqlite3, of some of the runs."""
    with probed_server() as server:
        made = server.result("POST", json=body())["experimentId"]
        server.ended(made)
        fill(server.data / "submarine.db", RUNS)
        _measure(server.data / "submarine.db")
        plain = _plain(server.data / "submarine.db")
        server.loop()
        rows = []
        for name, query in (("all", {}), ("one metric", {"metrics": "bench0700"}), ("ten runs", {"limit": "10"})):
            took = min(_ask(server, query) for _ in range(ROUNDS))
            peer = f"{took / plain:.3f} x from the points ({plain:.0f} s)" if name == "all" else ""
            rows.append(Row(f"{name}, processor time", f"{took:.2f} s", "1 s" if name == "all" else "", peer))
        return [*rows, loop_row(server.loop(), "comparing")]


def _measure(file: Path) -> None:
    """Store what is kept of the metrics of all runs, and the points of some."""
    with sqlite3.connect(file, timeout=30) as db:
        ids = db.execute("SELECT seq, id FROM experiment ORDER BY seq").fetchall()
        columns = "(seq, kind, name, number, truth, step, low, low_step, high, high_step)"
        for seq, _ in ids:
            values = ((seq, f"bench{m:04d}", seq * m % 997 / 997, STEPS - 1, m % 7, m % 11) for m in range(METRICS))
            db.executemany(
                f"INSERT INTO experiment_value {columns} VALUES (?, 'metric', ?, ?, 0, ?, 0.1, ?, 0.9, ?)",  # noqa: S608
                values,
            )
        for _, experiment_id in ids[:SAMPLED]:
            names = ((experiment_id, f"bench{m:04d}") for m in range(METRICS))
            curve = "(experiment_id, attempt, replica, name, count, first_seq, last_seq, low_seq, high_seq)"
            db.executemany(f"INSERT INTO curve {curve} VALUES (?, 1, 'worker-0', ?, 0, 0, 0, 0, 0)", names)  # noqa: S608
            found = db.execute("SELECT number FROM curve WHERE experiment_id = ?", (experiment_id,)).fetchall()
            points = ((of, step, step * m % 997 / 997) for step in range(STEPS) for m, (of,) in enumerate(found))
            db.executemany("INSERT INTO metric (curve, step, value, at) VALUES (?, ?, ?, 1)", points)
    db.close()


def _plain(file: Path) -> float:
    """Return the processor time (s) of finding the extremes of all runs among the points, by that of some runs."""
    process = psutil.Process()
    with sqlite3.connect(file) as db:
        before = process.cpu_times()
        for (experiment_id,) in db.execute("SELECT id FROM experiment ORDER BY seq LIMIT ?", (SAMPLED,)).fetchall():
            found = (
                "SELECT name, min(value), max(value), max(seq) FROM metric JOIN curve ON number = curve "
                "WHERE experiment_id = ? GROUP BY name"
            )
            assert len(db.execute(found, (experiment_id,)).fetchall()) >= METRICS
        after = process.cpu_times()
    db.close()
    return (after.user + after.system - before.user - before.system) * RUNS / SAMPLED


def _ask(server: ProbedServer, query: dict[str, str]) -> float:
    process = psutil.Process(server.pid)
    before = process.cpu_times()
    answer = server.http.get(f"{server.url}/compare", params=query, timeout=60)
    after = process.cpu_times()
    assert len(answer.json()["result"]["experiments"]) == int(query.get("limit", RUNS)), answer.text[:500]
    return after.user + after.system - before.user - before.system
