"""What is told of targets: one that does not answer hides no other one."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from submarine_jupyter.errors import TargetUnavailable
from submarine_jupyter_server import wiring
from submarine_jupyter_server.logs.archive import ReplicaLog
from submarine_jupyter_server.metrics import reader
from submarine_jupyter_server.services import insight
from submarine_jupyter_server.services.insight import Insight
from submarine_jupyter_server.targets.local.target import LocalTarget
from tests.services.conftest import Client, experiment


class Broken(LocalTarget):
    """A target that fails when it is asked what it has."""

    def __init__(self, data_dir: Path, name: str, error: Exception | None) -> None:
        super().__init__(data_dir, name=name)
        self._error = error

    async def capacity(self) -> dict[str, object]:
        if self._error is not None:
            raise self._error
        await asyncio.Event().wait()
        raise AssertionError

    def health(self) -> dict[str, object]:
        return {"ok": False, "trouble": self.name}


async def test_each_target_is_told_whatever_the_others_do(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(insight, "CAPACITY_S", 0.5)
    errors = {"away": TargetUnavailable("no answer", hint="wait"), "buggy": KeyError("a secret"), "slow": None}
    broken = {name: Broken(tmp_path / name, name, error) for name, error in errors.items()}
    told = Insight(client.service.db, {**broken, **client.service.targets}, "local", client.service._finish)
    found: list[dict[str, Any]] = json.loads((await told.targets()).result)
    local = found.pop()
    assert local.pop("capacity")["cpu"]["total"] == 2
    assert local == {
        "name": "local", "kind": "local", "default": True, "namespaces": ["default", "team"], "health": {"ok": True},
    }  # fmt: skip
    assert [(each["capacity"], each["health"]["trouble"], each["note"]) for each in found] == [
        (None, "away", "no answer (wait)"),
        (None, "buggy", "it does not say what it has: KeyError"),
        (None, "slow", "it did not say within 0 s; ask again"),
    ]
    assert "Target buggy does not say what it has" in caplog.text


LOGS = """
import json
print('submarine-param {"name": "lr", "value": 0.1}')
for i in range(5000):
    print('submarine-metric', json.dumps({"name": "loss", "value": i * 7 % 1000, "step": i}))
"""


async def answer(client: Client, made: str, **query: str) -> dict[str, Any]:
    incomplete = True
    while incomplete:
        found = await client.service.insight.metrics(made, {name: [value] for name, value in query.items()})
        incomplete = bool(found.attributes.get("incomplete"))
    result: dict[str, Any] = json.loads(found.result)
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
    monkeypatch.setattr(insight, "LATE_S", 0.0)
    made = (await client.create(experiment("echo loss=0.5 step=1")))["experimentId"]
    await client.ended(made)
    early = await client.service.insight.metrics(made, {})
    assert early.attributes == {
        "incomplete": True,
        "note": "The last metrics are still being read from the logs; ask again in a moment.",
    }
    assert json.loads(early.result)["series"] == []
    monkeypatch.setattr(insight, "LATE_S", 60.0)
    asked = asyncio.create_task(client.service.insight.metrics(made, {}))
    await asyncio.sleep(0)
    may_read.set()
    whole = await asked
    assert whole.attributes == {}
    assert [point["value"] for series in json.loads(whole.result)["series"] for point in series["points"]] == [0.5]
