"""What 8,000 ended experiments cost: POST, and the event loop, while the database is compared with them."""

from __future__ import annotations

import json
import shutil
import sqlite3
import statistics
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.probed import Loop, ProbedServer, probed_server
from tests.benchmarks.submit import BODY
from tests.benchmarks.table import Row, percentile

COUNT = 8000
ROUNDS = 60
# Often enough that each POST has a comparison beside it.
OFTEN_S = 0.5


def run() -> list[Row]:
    """Measure one server in turn: it compares every 0.5 s with no history and with all of it, and then never."""
    with probed_server(*_every(OFTEN_S)) as server:
        server.ended(server.result("POST", json=BODY)["experimentId"])
        none, _ = _measured(server)
        server.kill()
        multiply(server.data, COUNT)
        beside, busy = _measured(_restarted(server, *_every(OFTEN_S)))
        idle, still = _measured(_restarted(server, *_every(3600)))
    return [
        Row(
            f"POST beside a comparison of {COUNT:,}: median",
            f"{statistics.median(beside):.0f} ms",
            "1.2 x idle",
            f"{_ratio(beside, idle):.2f} x without a comparison ({statistics.median(idle):.0f} ms),"
            f" {_ratio(beside, none):.2f} x without a history",
        ),
        Row("  slowest of 20", f"{percentile(beside, 0.95):.0f} ms", "", f"{percentile(idle, 0.95):.0f} ms idle"),
        Row("event loop held at most", f"{busy.worst:.1f} ms", "20 ms", f"{still.worst:.1f} ms idle, POSTs in both"),
        Row("memory", f"{busy.rss / 1e6:.0f} MB"),
    ]


def _every(seconds: float) -> tuple[str, ...]:
    return (f"--SubmarineExtension.reconcile_seconds={seconds}",)


def _restarted(server: ProbedServer, *options: str) -> ProbedServer:
    """Start the same data directory with another pace."""
    server.kill()
    server.options = (server.options[0], *options)
    server.start()
    assert server.wait_ready(), server.log()
    _post(server)  # the comparison at the start comes before the first order
    server.loop()
    return server


def _measured(server: ProbedServer) -> tuple[list[float], Loop]:
    took = []
    for _ in range(ROUNDS):
        took.append(_post(server))
        time.sleep(0.1)
    return took, server.loop()


def _post(server: ProbedServer) -> float:
    begin = time.perf_counter()
    made: dict[str, Any] = server.result("POST", json=BODY)
    took = time.perf_counter() - begin
    server.ended(made["experimentId"])
    return took * 1000


def _ratio(one: list[float], other: list[float]) -> float:
    return statistics.median(one) / statistics.median(other)


def multiply(data: Path, count: int) -> None:
    """Copy the first experiment, its row and its files, until there are ``count`` that have ended."""
    with sqlite3.connect(data / "submarine.db", timeout=30) as db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(experiment)") if row[1] != "seq"]
        names = ",".join(columns)
        found = db.execute(f"SELECT {names} FROM experiment ORDER BY seq LIMIT 1").fetchone()  # noqa: S608
        model = dict(zip(columns, found, strict=True))
        rows = []
        for number in range(count):
            new = {"id": f"experiment-1-{number:04d}", "uid": f"00000000-0000-4000-8000-{number:012d}"}
            _copy(data, str(model["id"]), str(model["uid"]), new)
            rows.append([_renamed(value, model, new) for value in (model | new).values()])
        places = ",".join("?" * len(columns))
        db.executemany(f"INSERT INTO experiment ({names}) VALUES ({places})", rows)  # noqa: S608
    db.close()


def _renamed(value: object, model: dict[str, Any], new: dict[str, str]) -> object:
    return value.replace(model["id"], new["id"]) if isinstance(value, str) else value


def _copy(data: Path, experiment_id: str, uid: str, new: dict[str, str]) -> None:
    source, copy = data / "runs" / experiment_id, data / "runs" / new["id"]
    shutil.copytree(source, copy, ignore=lambda _, names: [name for name in names if name in ("ctl", "logs")])
    for path in copy.rglob("*.json"):
        text = path.read_text().replace(experiment_id, new["id"]).replace(uid, new["uid"])
        json.loads(text)
        path.write_text(text)
