"""Lists among ten thousand experiments: right, and without holding up the event loop, which is watched in each test."""

from __future__ import annotations

from typing import Any

from jupyter_server.serverapp import ServerApp
from sqlalchemy import Connection, insert

from submarine_jupyter_server.store.tables import experiment, experiment_value, housekeeping
from tests.server.conftest import Call

MANY = 10_000
FIXED: dict[str, Any] = {
    "owner": "o",
    "target": "elsewhere",
    "namespace": "default",
    "framework": "Standalone",
    "status": "Succeeded",
}
FIXED |= {"notes": "[]", "generation": 1, "attempt": 1, "replicas": 1, "restored": False}
FIXED |= {"wire_spec": '{"meta": {}}', "spec": "{}"}


def fill(tx: Connection) -> None:
    """Store experiments that have ended: number n has lr n % 7, each tenth no accuracy, each third is archived."""
    numbers = range(1, MANY + 1)
    made = [
        {"seq": n, "id": f"experiment-1-{n:04d}", "uid": f"u{n}", "name": f"run {n}", "accepted": n} for n in numbers
    ]
    tx.execute(insert(experiment), [{**FIXED, **row, "finished": row["accepted"]} for row in made])
    lr = [{"seq": n, "kind": "param", "name": "lr", "number": n % 7, "text": None} for n in numbers]
    accuracy = [
        {"seq": n, "kind": "metric", "name": "accuracy", "number": n % 100, "text": None} for n in numbers if n % 10
    ]
    tx.execute(insert(experiment_value), lr + accuracy)
    tx.execute(
        insert(housekeeping),
        [{"seq": n, "archived": True, "pinned": False, "note": None} for n in numbers if n % 3 == 0],
    )


async def test_filters_sorts_and_pages_among_many(call: Call, jp_serverapp: ServerApp) -> None:
    service = await jp_serverapp.web_app.settings["submarine_surroundings"].opening.service()
    await service.db.write(fill)

    async def listed(**params: str) -> tuple[list[int], Any]:
        answer = await call("GET", "experiment", params={"view": "summary", **params})
        ids = [int(item["experimentId"].rpartition("-")[2]) for item in answer.result]
        return ids, answer.envelope["attributes"].get("nextCursor")

    shown = [n for n in range(1, MANY + 1) if n % 3]
    found, _ = await listed(**{"param.lr": "<1", "limit": "500"})
    assert found == [n for n in reversed(shown) if n % 7 == 0][:500]
    found, _ = await listed(q="run 999", archived="any")
    assert found == [n for n in range(MANY, 0, -1) if "999" in str(n) or "999" in f"{n:04d}"]
    # Page by page through all, with many ties and many without a value.
    seen, cursor = await listed(sort="-metric.accuracy", limit="1000")
    while cursor:
        more, cursor = await listed(sort="-metric.accuracy", limit="1000", cursor=cursor)
        seen += more
    assert seen == sorted(shown, key=lambda n: (n % 100 if n % 10 else -1, n), reverse=True)
    found, _ = await listed(**{"param.lr": ">=3", "metric.accuracy": ">97", "sort": "param.lr", "archived": "true"})
    wanted = [n for n in range(3, MANY + 1, 3) if n % 7 >= 3 and n % 10 and n % 100 > 97]
    assert found == sorted(wanted, key=lambda n: (n % 7, n))
