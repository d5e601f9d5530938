"""Whether an experiment would start now, and where one waits, through real HTTP."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import pytest

from tests.server.conftest import Call

SMALL = {"SubmarineExtension": {"local_cpus": 2.0, "local_memory": "1Gi"}}


def body(cmd: str, resources: str, **more: Any) -> dict[str, Any]:
    return {
        "meta": {"name": "planned", "framework": "Standalone", "cmd": cmd},
        "spec": {"Worker": {"resources": resources}},
        **more,
    }


async def plan(call: Call, resources: str) -> dict[str, Any]:
    answer = await call("POST", "experiment", body("true", resources), params={"dryRun": "true"})
    assert list(answer.result) == ["target", "spec", "objects"]
    found: dict[str, Any] = answer.envelope["attributes"]["plan"]
    return found


async def until(call: Call, made: str, state: str) -> dict[str, Any]:
    while True:
        found = (await call("GET", f"experiment/{made}", params={"view": "full"})).result
        if found["detail"]["state"] == state:
            return dict(found)
        assert found["detail"]["state"] in ("Waiting", "Starting", "Queued"), found
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("server_config", [SMALL])
async def test_a_dry_run_says_whether_it_would_start_and_what_waits_says_where(call: Call) -> None:
    found = await plan(call, "cpu=2")
    assert found == {"verdict": "now", "why": "it needs cpu=2, and cpu=2 is free", "ahead": None}
    made = [(await call("POST", "experiment", body("exec sleep 600", "cpu=1"))).result["experimentId"]]
    assert "plan" not in (await until(call, made[0], "Running"))["detail"]
    made += [(await call("POST", "experiment", body("true", "cpu=2"))).result["experimentId"] for _ in range(2)]
    third = await until(call, made[2], "Queued")
    uses = f"waiting for 1 of 2 cpu: {made[0]} uses them"
    now = "with cpu=1 it would start now"
    since = third["detail"]["plan"].pop("since")
    assert datetime.fromisoformat(since) == datetime.fromisoformat(third["acceptedTime"])
    assert third["detail"]["plan"] == {
        "verdict": "waits",
        "why": f"{uses}; position 2 in the queue; {now}",
        "ahead": {"count": 1, "experimentIds": [made[1]]},
        "fits": "cpu=1",
        "place": 2,
    }
    assert await plan(call, "cpu=2") == {
        "verdict": "waits",
        "why": f"{uses}; position 3 in the queue; {now}",
        "ahead": {"count": 2, "experimentIds": made[1:]},
        "fits": "cpu=1",
    }
    assert (await plan(call, "cpu=1"))["verdict"] == "now"
    # What this machine never has is refused, as without dryRun.
    for params in ({"dryRun": "true"}, {}):
        answer = await call("POST", "experiment", body("true", "cpu=3"), params=params)
        assert answer.code == 400
        assert "this machine has cpu=2" in answer.message
    assert "detail" not in (await call("GET", f"experiment/{made[1]}")).result
    for name in made:
        await call("DELETE", f"experiment/{name}")


@pytest.mark.parametrize("server_config", [SMALL])
async def test_what_stops_does_not_wait(call: Call) -> None:
    first = (await call("POST", "experiment", body("exec sleep 600", "cpu=2"))).result["experimentId"]
    second = (await call("POST", "experiment", body("true", "cpu=2"))).result["experimentId"]
    await until(call, second, "Queued")
    await call("POST", f"experiment/{second}/stop")
    found = (await call("GET", f"experiment/{second}", params={"view": "full"})).result
    assert "plan" not in found["detail"]
    await call("DELETE", f"experiment/{first}")
