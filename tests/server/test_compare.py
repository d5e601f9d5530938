"""Experiments side by side, through real HTTP: what they were given, what they measured, how two differ."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from jupyter_server.serverapp import ServerApp
from sqlalchemy import Connection, insert

from submarine_jupyter.spec.code_files import encoded
from submarine_jupyter_server.store.tables import experiment, experiment_value
from tests.server.conftest import Call, Response
from tests.server.test_many import FIXED
from tests.server.test_stream import _ended as ended_one

TRAIN = """
from submarine_jupyter.tracking import log_metric, log_param
import os
lr = float(os.environ["SUBMARINE_PARAM_LR"])
log_param("seed", 7)
for step, value in enumerate((0.5, 0.9, 0.7)):
    log_metric("accuracy", value - lr, step)
"""
MISSING = "experiment-1647574374688-0002"


async def run(call: Call, lr: float, code: str = TRAIN, **more: Any) -> str:
    body = {
        "meta": {"name": f"lr {lr}", "framework": "Standalone", "cmd": "python train.py", **more},
        "spec": {"Worker": {"resources": "cpu=10m"}},
        "runtime": {"params": {"lr": lr, "optimizer": "sgd", "amp": True}},
        "code": {"syncMode": "inline", "files": {"train.py": code}},
    }
    return str((await call("POST", "experiment", body)).result["experimentId"])


async def ended(call: Call, *ids: str) -> None:
    for one in ids:
        await ended_one(call, one)
        async with asyncio.timeout(60):
            while (await call("GET", f"experiment/{one}/metrics")).envelope["attributes"].get("incomplete"):
                pass


async def test_runs_side_by_side(call: Call) -> None:
    first, second = await run(call, 0.1), await run(call, 0.2, tags=["two"])
    await ended(call, first, second)
    answer = await call("GET", "experiment/compare", params={"ids": f"{first},{second},{MISSING}"})
    found = answer.result
    assert list(found) == ["experiments", "params", "same", "metrics", "otherParams", "otherMetrics"]
    assert [one["experimentId"] for one in found["experiments"]] == [first, second]
    assert [(one["status"], one["state"]) for one in found["experiments"]] == [("Succeeded", "Succeeded")] * 2
    assert all(one["finishedTime"] for one in found["experiments"])
    assert found["params"] == [{"name": "lr", "values": [0.1, 0.2]}]
    assert found["same"] == {"amp": True, "optimizer": "sgd", "seed": 7}
    [accuracy] = found["metrics"]
    assert (accuracy["name"], accuracy["step"]) == ("accuracy", [2, 2])
    assert accuracy["last"] == pytest.approx([0.6, 0.5])
    assert (accuracy["min"], accuracy["minStep"]) == (pytest.approx([0.4, 0.3]), [0, 0])
    assert (accuracy["max"], accuracy["maxStep"]) == (pytest.approx([0.8, 0.7]), [1, 1])
    assert answer.envelope["attributes"] == {"missing": [MISSING]}
    # Any filter of lists chooses, in the order of the list.
    for params, expected in (
        ({}, [second, first]),
        ({"sort": "-metric.accuracy"}, [first, second]),
        ({"tag": "two"}, [second]),
        ({"param.lr": "<0.15"}, [first]),
    ):
        found = (await call("GET", "experiment/compare", params=params)).result
        assert [one["experimentId"] for one in found["experiments"]] == expected, params
    page = await call("GET", "experiment/compare", params={"limit": "1"})
    cursor = page.envelope["attributes"]["nextCursor"]
    following = (await call("GET", "experiment/compare", params={"limit": "1", "cursor": cursor})).result
    assert [one["experimentId"] for one in following["experiments"]] == [first]
    named = (await call("GET", "experiment/compare", params={"metrics": "loss", "params": "seed"})).result
    assert (named["params"], named["otherParams"]) == ([{"name": "seed", "values": [7, 7]}], ["lr"])
    assert named["metrics"][0]["last"] == [None, None]
    assert named["otherMetrics"] == ["accuracy"]


async def test_two_runs_as_text(call: Call) -> None:
    changed = TRAIN.replace('log_param("seed", 7)', 'log_param("seed", 8)')
    first = await run(call, 0.1, envVars={"HF_TOKEN": "canary-1", "DEPTH": "1"})
    second = await run(call, 0.2, changed, envVars={"HF_TOKEN": "canary-2", "DEPTH": "2"})
    await ended(call, first, second)
    answer = await call("GET", "experiment/diff", params={"a": first, "b": second})
    found = answer.result
    assert (found["a"], found["b"]) == (first, second)
    assert found["params"].splitlines() == [
        f"--- {first}/params", f"+++ {second}/params", "@@ -1,4 +1,4 @@",
        " amp: true", "-lr: 0.1", "+lr: 0.2", ' optimizer: "sgd"', "-seed: 7", "+seed: 8",
    ]  # fmt: skip
    assert found["code"].startswith(f"--- {first}/train.py\n+++ {second}/train.py\n@@ -2,6 +2,6 @@\n")
    assert '-log_param("seed", 7)\n+log_param("seed", 8)\n' in found["code"]
    assert "-    DEPTH: '1'\n+    DEPTH: '2'\n" in found["spec"]
    assert "-  name: lr 0.1\n+  name: lr 0.2\n" in found["spec"]
    assert "experimentId" not in found["spec"]
    assert "canary" not in answer.text
    same = (await call("GET", "experiment/diff", params={"a": first, "b": first})).result
    assert (same["params"], same["spec"], same["code"]) == ("", "", "")


async def test_a_file_that_is_no_text_differs_by_size_and_digest(call: Call) -> None:
    """Replicas have it byte for byte; what people compare names it."""
    ids = []
    for content in (b"\0\xff", bytes(range(256))):
        body = {
            "meta": {"name": "x", "framework": "Standalone", "cmd": "python train.py"},
            "spec": {"Worker": {"resources": "cpu=10m"}},
            "code": {
                "syncMode": "inline",
                "files": {"train.py": "print(open('data/x.bin', 'rb').read().hex())", "data/x.bin": encoded(content)},
            },
        }
        ids.append(str((await call("POST", "experiment", body)).result["experimentId"]))
        await ended(call, ids[-1])
        [log] = (await call("GET", f"experiment/logs/{ids[-1]}")).result["logContent"]
        assert log["podLog"] == [content.hex()]

    found = (await call("GET", "experiment/diff", params={"a": ids[0], "b": ids[1]})).result["code"]

    assert found.startswith(f"--- {ids[0]}/data/x.bin\n+++ {ids[1]}/data/x.bin\n")
    assert "-2 bytes, SHA-256 " in found
    assert "+256 bytes, SHA-256 " in found
    assert "base64" not in found


@pytest.mark.parametrize(
    ("path", "params", "code", "words"),
    [
        ("compare", {"ids": MISSING, "tag": "a"}, 400, "'ids' names the experiments; 'tag' would choose others"),
        ("compare", {"limit": "1501"}, 400, "'limit' must be a whole number from 1 to 1500"),
        ("compare", {"metrics": ",".join(map(str, range(101)))}, 400, "'metrics' may have 100 values, not 101."),
        ("compare", {"colour": "red"}, 400, "Unknown parameter 'colour'"),
        ("diff", {"a": MISSING}, 400, "'a' and 'b' name the two experiments"),
        ("diff", {"a": MISSING, "b": MISSING}, 404, "Not found experiment."),
        ("diff", {"a": "../x", "b": MISSING}, 404, "Not found experiment."),
    ],
)
async def test_what_cannot_be_compared(call: Call, path: str, params: dict[str, str], code: int, words: str) -> None:
    answer: Response = await call("GET", f"experiment/{path}", params=params)
    assert (answer.code, words in answer.message) == (code, True), answer.message


async def test_nothing_to_compare(call: Call) -> None:
    found = (await call("GET", "experiment/compare")).result
    assert found == {
        "experiments": [], "params": [], "same": {}, "metrics": [], "otherParams": [], "otherMetrics": [],
    }  # fmt: skip


RUNS, NAMES = 600, 300


def fill(tx: Connection) -> None:
    """Store runs that have ended: each with as many parameters as metrics; one in two has the last metric."""
    numbers = range(1, RUNS + 1)
    made = [
        {"seq": n, "id": f"experiment-1-{n:04d}", "uid": f"u{n}", "name": f"run {n}", "accepted": n} for n in numbers
    ]
    tx.execute(insert(experiment), [{**FIXED, **row, "finished": row["accepted"]} for row in made])
    for n in numbers:
        values = [
            {"seq": n, "kind": kind, "name": f"{kind}{m:03d}", "number": n * m, "text": None, "low": m, "high": n}
            for kind in ("param", "metric")
            for m in range(NAMES)
            if n % 2 or kind == "param" or m < NAMES - 1
        ]
        tx.execute(insert(experiment_value), values)


async def test_many_runs_are_bounded_and_stall_nobody(
    call: Call, jp_serverapp: ServerApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("submarine_jupyter_server.services.comparisons.MOST_CELLS", RUNS * 3)
    service = await jp_serverapp.web_app.settings["submarine_surroundings"].opening.service()
    await service.db.write(fill)
    found = (await call("GET", "experiment/compare")).result
    assert len(found["experiments"]) == RUNS
    assert [one["name"] for one in found["params"]] == ["param001", "param002", "param003"]
    assert found["same"] == {"param000": 0}
    assert len(found["otherParams"]) == NAMES - 4
    assert [one["name"] for one in found["metrics"]] == ["metric000", "metric001", "metric002"]
    assert found["metrics"][1]["last"] == list(range(RUNS, 0, -1))
    assert len(found["otherMetrics"]) == NAMES - 3
    named = (await call("GET", "experiment/compare", params={"metrics": f"metric{NAMES - 1}", "limit": "2"})).result
    assert named["metrics"][0]["last"] == [None, (RUNS - 1) * (NAMES - 1)]
    monkeypatch.setattr("submarine_jupyter_server.store.lists.compared._MOST_NAMES_READ", NAMES)
    answer = await call("GET", "experiment/compare")
    assert "too many metrics to name all" in answer.envelope["attributes"]["note"]
