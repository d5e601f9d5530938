"""``detail.firstError``: of all replicas of a failed attempt, and of nothing else."""

from __future__ import annotations

import shutil

import pytest

from submarine_jupyter_server.logs.search import errors
from submarine_jupyter_server.services.logs import first_error
from tests.services.conftest import Client, experiment

FAILS = "import os, time; open(f'../go', 'a'); print('start', flush=True); {}['lr']"
SPLIT = f"""if [ $RANK = 1 ]; then python -c "{FAILS}"; else sleep 60; fi"""


async def test_it_is_that_of_the_replica_that_failed(client: Client) -> None:
    body = experiment(SPLIT)
    body["spec"] = {"Master": body["spec"]["Worker"], "Worker": body["spec"]["Worker"]}
    made = await client.create(body)
    found = (await client.ended(made["experimentId"]))["detail"]
    first = found["firstError"]
    assert first.pop("time") is not None
    assert first == {
        "replica": "worker-0",
        "podName": f"{made['experimentId']}-worker-0",
        "offset": len("start\n"),
        "text": "KeyError: 'lr'",
        "where": "<string>:1",
    }


async def test_what_went_well_or_was_stopped_has_none(client: Client) -> None:
    went_well = await client.create(experiment("echo ValueError: handled"))
    assert "firstError" not in (await client.ended(went_well["experimentId"]))["detail"]
    silent = await client.create(experiment("exit 3"))
    assert "firstError" not in (await client.ended(silent["experimentId"]))["detail"]


async def test_it_is_looked_for_once_while_the_logs_stay(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    made = (await client.create(experiment("echo ValueError: one; exit 1")))["experimentId"]
    first = (await client.ended(made))["detail"]["firstError"]
    monkeypatch.setattr(first_error, "first_in", lambda log: pytest.fail("it was known"))
    assert (await client.get(made))["detail"]["firstError"] == first
    monkeypatch.setattr(first_error, "first_in", errors.first_in)
    logs = client.service.config.data_dir / "runs" / made / "1" / "logs" / "worker-0"
    with (logs / f"{0:020d}.log").open("ab") as more:
        more.write(b"x\n")
    assert (await client.get(made))["detail"]["firstError"] == first
    shutil.rmtree(logs)
    assert "firstError" not in (await client.get(made))["detail"]
