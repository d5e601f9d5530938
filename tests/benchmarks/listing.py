"""GET list: a page of 100 among 200, 10,000 and 100,000 experiments."""

from __future__ import annotations

import json
import sqlite3
import statistics
import time
from pathlib import Path

from tests.benchmarks.probed import ProbedServer, loop_row, probed_server
from tests.benchmarks.table import Row

SIZES = (200, 10_000, 100_000)
ROUNDS = 50
QUERIES = {
    "newest": {},
    "status=Running": {"status": "Running"},
    "name=mnist-7*": {"name": "mnist-7*"},
    "param.lr=<0.01": {"param.lr": "<0.01"},
    "sort=-metric.accuracy": {"sort": "-metric.accuracy"},
    "q=mnist-77": {"q": "mnist-77"},
}


def run() -> list[Row]:
    """Measure pages as the client sees them; the peer is a ping of the same server."""
    rows: list[Row] = []
    with probed_server() as server:
        made = server.result("POST", json=body())["experimentId"]
        server.ended(made)
        ping = statistics.median(_timed(server, "/ping", {}) for _ in range(ROUNDS))
        first: dict[str, float] = {}
        for size in SIZES:
            fill(server.data / "submarine.db", size)
            for name, query in QUERIES.items():
                took = statistics.median(_timed(server, "", {"limit": "100", **query}) for _ in range(ROUNDS))
                first.setdefault(name, took)
                goal = "5 ms" if size == SIZES[-1] else ""
                peer = f"{took / ping:.1f} x ping ({ping:.1f} ms), {took / first[name]:.1f} x at {SIZES[0]}"
                rows.append(Row(f"{size:>7,} experiments, {name}", f"{took:.1f} ms", goal, peer))
        return [*rows, loop_row(server.loop(), "listing")]


def body() -> dict[str, object]:
    meta = {"name": "mnist-0", "framework": "TensorFlow", "cmd": "true", "tags": ["bench"]}
    task = {"replicas": 1, "resources": "cpu=100m,memory=128M"}
    return {"meta": meta, "environment": {"image": "some/image:1"}, "spec": {"Ps": task, "Worker": task}}


def _timed(server: ProbedServer, path: str, query: dict[str, str]) -> float:
    begin = time.perf_counter()
    answer = server.http.get(f"{server.url}{path}", params=query)
    took = time.perf_counter() - begin
    assert answer.status_code == 200, answer.text
    return took * 1000


def fill(file: Path, size: int, *, params: int = 10, metrics: int = 5) -> None:
    """Copy the one real row until there are ``size``; one in ten is shown as running, and has no accuracy."""
    with sqlite3.connect(file, timeout=30) as db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(experiment)") if row[1] != "seq"]
        model = dict(zip(columns, db.execute(f"SELECT {','.join(columns)} FROM experiment").fetchone(), strict=True))  # noqa: S608
        have = db.execute("SELECT count(*) FROM experiment").fetchone()[0]
        places = ",".join("?" * len(columns))
        statement = f"INSERT INTO experiment ({','.join(columns)}) VALUES ({places})"  # noqa: S608
        db.executemany(statement, (tuple(_row(model, i)[c] for c in columns) for i in range(have, size)))
        numbers = [
            ("param", "lr", 100),
            *(("param", f"p{i}", 7) for i in range(params - 1)),
            *(("metric", f"m{i}", 7) for i in range(metrics - 1)),
        ]
        for kind, name, many in (*numbers, ("metric", "accuracy", 1000)):
            names = "seq, kind, name, number, text, truth"
            value = "seq * 2654435761 % ? * 1.0 / ?"
            only = " AND seq % 10" if name == "accuracy" else ""
            rows = f"SELECT seq, ?, ?, {value}, NULL, 0 FROM experiment WHERE seq > 0{only}"  # noqa: S608
            db.execute(f"INSERT OR IGNORE INTO experiment_value ({names}) {rows}", (kind, name, many, many))
        whole = "CAST(number AS INTEGER)"
        text = f"json_group_object(name, CASE number WHEN {whole} THEN {whole} ELSE number END)"
        values = f"SELECT seq, kind, {text} FROM experiment_value GROUP BY seq, kind"  # noqa: S608
        db.execute(f"INSERT OR REPLACE INTO shown_values {values}")
    db.close()


def _row(model: dict[str, object], number: int) -> dict[str, object]:
    running = number % 10 == 0
    wire = json.loads(str(model["wire_spec"]))
    wire["meta"]["experimentId"] = f"experiment-1-{number:04d}"
    changes = {"id": wire["meta"]["experimentId"], "uid": f"uid-{number}", "name": f"mnist-{number}"}
    status = {"status": "Running", "rank": 2, "finished": None} if running else {}
    # Of a target that this server does not have: it must not take them for lost.
    return {**model, **changes, **status, "target": "elsewhere", "wire_spec": json.dumps(wire)}
