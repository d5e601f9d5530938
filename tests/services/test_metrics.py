"""What is answered of metrics: thinned, in steps, and never short in silence."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest

from submarine_jupyter_server.logs.archive import ReplicaLog
from submarine_jupyter_server.metrics import reader
from submarine_jupyter_server.opening import wiring
from submarine_jupyter_server.services import metrics
from submarine_jupyter_server.wire.answers.curves import curves_attributes, curves_json
from submarine_jupyter_server.wire.queries.metrics import MetricQuery, metric_query
from tests.services.conftest import ME, Client, experiment

LOGS = """
import json
print('submarine-param {"name": "lr", "value": 0.1}')
for i in range(5000):
    print('submarine-metric', json.dumps({"name": "loss", "value": i * 7 % 1000, "step": i}))
"""


async def answer(client: Client, made: str, **query: str) -> dict[str, Any]:
    wanted = metric_query({name: [value] for name, value in query.items()})
    incomplete = True
    while incomplete:
        found = await client.service.metrics.curves(ME, made, wanted)
        incomplete = found.late
    result: dict[str, Any] = json.loads(curves_json(found))
    return result


async def test_metrics_are_thinned_and_told_in_steps(client: Client) -> None:
    code = {"syncMode": "inline", "files": {"train.py": LOGS}}
    made = (await client.create(experiment("python3 train.py", code=code)))["experimentId"]
    await client.ended(made)
    whole = await answer(client, made)
    assert (whole["params"], whole["attempt"]) == ({"lr": 0.1}, 1)
    [series] = whole["series"]
    assert [point["step"] for point in series["points"]] == list(range(5000))
    [few] = (await answer(client, made, points="50"))["series"]
    assert len(few["points"]) <= 50
    values = [point["value"] for point in few["points"]]
    assert (min(values), max(values)) == (0, 999)
    assert (few["points"][0]["step"], few["points"][-1]["step"]) == (0, 4999)
    assert (await answer(client, made, since=str(whole["last"])))["series"] == []
    later = await answer(client, made, since=str(whole["last"] - 3))
    assert [point["step"] for point in later["series"][0]["points"]] == [4997, 4998, 4999]
    detail = (await client.get(made))["detail"]
    assert detail["params"] == {"lr": 0.1}


async def test_metrics_that_are_read_late_are_waited_for_and_never_missed_in_silence(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_read, read = threading.Event(), reader._read

    def late(log: ReplicaLog, cursor: reader._Cursor, final: bool) -> Any:
        assert may_read.wait(60)
        return read(log, cursor, final)

    monkeypatch.setattr(reader, "_read", late)
    monkeypatch.setattr(wiring, "DRAIN_S", 0.0)
    monkeypatch.setattr(metrics, "LATE_S", 0.0)
    made = (await client.create(experiment("echo loss=0.5 step=1")))["experimentId"]
    await client.ended(made)
    early = await client.service.metrics.curves(ME, made, MetricQuery())
    assert curves_attributes(early) == {
        "incomplete": True,
        "note": "The server is still reading the last metrics from the logs; ask again in a moment.",
    }
    assert json.loads(curves_json(early))["series"] == []
    monkeypatch.setattr(metrics, "LATE_S", 60.0)
    asked = asyncio.create_task(client.service.metrics.curves(ME, made, MetricQuery()))
    await asyncio.sleep(0)
    may_read.set()
    whole = await asked
    assert (whole.late, whole.notes) == (False, ())
    assert [point.value for point in whole.found] == [0.5]
