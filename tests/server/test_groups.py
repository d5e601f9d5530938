"""Groups through real HTTP: no more run than may, the next one begins by itself, and many are ended at once."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.server.conftest import Call

MERGE = {"Content-Type": "application/merge-patch+json"}
FULL = {"view": "full"}
LONG = "sleep 60"


def body(cmd: str = LONG, group: dict[str, Any] | None = None, **meta: Any) -> dict[str, Any]:
    return {
        "meta": {"name": "trial", "framework": "Standalone", "cmd": cmd, **meta},
        "spec": {"Worker": {"resources": "cpu=10m"}},
        **({"runtime": {"group": group}} if group else {}),
    }


async def post(call: Call, *args: Any, **meta: Any) -> str:
    return str((await call("POST", "experiment", body(*args, **meta))).result["experimentId"])


async def state(call: Call, name: str) -> str:
    return str((await call("GET", f"experiment/{name}", params=FULL)).result["detail"]["state"])


async def until(call: Call, name: str, *states: str) -> None:
    for _ in range(1200):
        if (found := await state(call, name)) in states:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{name} is {found}, not {states}")


async def states(call: Call, ids: list[str]) -> list[str]:
    return [await state(call, name) for name in ids]


async def test_no_more_run_than_may_and_the_next_begins_by_itself(call: Call) -> None:
    group = {"name": "lr Ünï", "maxRunning": 2}
    ids = [await post(call, LONG, group) for _ in range(4)]
    for name in ids[:2]:
        await until(call, name, "Running")
    shown = (await call("GET", f"experiment/{ids[2]}", params=FULL)).result
    assert shown["status"] == "Accepted"
    assert shown["spec"]["runtime"] == {"group": group}
    assert {key: shown["detail"][key] for key in ("state", "reason", "message")} == {
        "state": "Queued",
        "reason": "GroupFull",
        "message": "it waits for one of the 2 places in its group 'lr Ünï'",
    }
    last = (await call("GET", f"experiment/{ids[3]}", params=FULL)).result["detail"]["plan"]
    assert (last["verdict"], last["place"], last["ahead"]) == ("waits", 2, {"count": 1, "experimentIds": [ids[2]]})
    tried = await call("POST", "experiment", body(LONG, group), params={"dryRun": "true"})
    plan = tried.envelope["attributes"]["plan"]
    assert (plan["verdict"], plan["why"]) == ("waits", shown["detail"]["message"])
    assert plan["ahead"] == {"count": 2, "experimentIds": ids[2:]}
    rows = (await call("GET", "experiment", params={"view": "row", "group": "lr Ünï", "sort": "accepted"})).result
    assert [(row["experimentId"], row["group"]) for row in rows] == [(name, "lr Ünï") for name in ids]
    assert [row["state"] for row in rows] == ["Running", "Running", "Queued", "Queued"]
    await call("POST", f"experiment/{ids[0]}/stop")
    await until(call, ids[2], "Running")
    assert await states(call, ids) == ["Stopped", "Running", "Running", "Queued"]
    assert (await call("GET", f"experiment/{ids[2]}", params=FULL)).result["detail"]["reason"] is None
    await call("DELETE", f"experiment/{ids[1]}")
    await until(call, ids[3], "Running")
    # What ends by itself leaves its place, too.
    short = [await post(call, "true", {"name": "short", "maxRunning": 1}) for _ in range(3)]
    await until(call, short[-1], "Succeeded")
    assert await states(call, short) == ["Succeeded"] * 3


async def test_many_at_once_keep_the_limit(call: Call) -> None:
    group = {"name": "storm", "maxRunning": 3}
    ids = await asyncio.gather(*(post(call, LONG, group) for _ in range(12)))
    for _ in range(200):
        found = (await call("GET", "experiment/groups")).result
        if found[0]["states"].get("Running", 0) == 3:
            break
        await asyncio.sleep(0.05)
    assert [(one["name"], one["experiments"], one["maxRunning"]) for one in found] == [("storm", 12, 3)]
    assert found[0]["states"] == {"Queued": 9, "Running": 3}
    assert found[0]["firstAcceptedTime"] <= found[0]["lastAcceptedTime"]
    assert len(set(ids)) == 12


@pytest.mark.parametrize("verb", ["stop", "delete"])
async def test_a_whole_group_ends_and_nothing_of_it_begins(call: Call, verb: str) -> None:
    group = {"name": "g", "maxRunning": 1}
    ids = [await post(call, LONG, group) for _ in range(5)]
    other = await post(call, LONG)
    await until(call, ids[0], "Running")
    method, path = ("POST", "experiment/stop") if verb == "stop" else ("DELETE", "experiment")
    body_of: dict[str, Any] | None = {} if verb == "stop" else None
    tried = (await call(method, path, body_of, params={"group": "g", "dryRun": "true"})).result
    assert tried == {"count": 5, "dryRun": True, "experimentIds": ids[::-1]}
    assert await states(call, ids) == ["Running", *["Queued"] * 4]
    done = (await call(method, path, body_of, params={"group": "g"})).result
    assert done == {"count": 5, "dryRun": False, "experimentIds": ids[::-1]}
    again = (await call(method, path, body_of, params={"group": "g"})).result
    assert (again["count"], again["experimentIds"]) == (0, [])
    if verb == "stop":
        for name in ids:
            await until(call, name, "Stopped")
            shown = (await call("GET", f"experiment/{name}", params=FULL)).result
            assert (shown["runningTime"] is None) is (name != ids[0]), "of those that waited none has begun"
    else:
        assert [(await call("GET", f"experiment/{name}")).code for name in ids] == [404] * 5
    await until(call, other, "Running")
    assert (await call("GET", "experiment/groups")).result == (
        [] if verb == "delete" else (await call("GET", "experiment/groups", params={"status": "Failed"})).result
    )


async def test_what_ends_many_needs_a_filter(call: Call) -> None:
    name = await post(call, LONG)
    for method, path, sent in (("POST", "experiment/stop", {}), ("DELETE", "experiment", None)):
        for params in ({}, {"dryRun": "true"}, {"group": ""}):
            answer = await call(method, path, sent, params=params)
            assert (answer.code, "Name the experiments by a filter" in answer.message) == (400, True)
        for params in ({"group": "g", "limit": "1"}, {"group": "g", "sort": "name"}, {"tag": "a", "cursor": "x"}):
            assert (await call(method, path, sent, params=params)).code == 400
        assert (await call(method, path, sent, params={"grupo": "g"})).code == 400
    assert await state(call, name) in ("Waiting", "Starting", "Running", "Queued")
    done = (await call("POST", "experiment/stop", {}, params={"status": "Accepted,Created,Running"})).result
    assert done["experimentIds"] == [name]


async def test_what_waits_can_be_changed_and_leave_its_group(call: Call) -> None:
    group = {"name": "g", "maxRunning": 1}
    first, second, third = [await post(call, LONG, group) for _ in range(3)]
    await until(call, first, "Running")

    async def patch(name: str, **change: Any) -> dict[str, Any]:
        answer = await call("PATCH", f"experiment/{name}", change, headers=MERGE, params=FULL)
        return dict(answer.result["detail"])

    changed = await patch(second, meta={"cmd": "sleep 61"})
    assert (changed["state"], changed["reason"], changed["attempt"]) == ("Queued", "GroupFull", 2)
    # What runs goes on, whatever becomes of its group.
    assert (await patch(first, runtime={"group": {"name": "g", "maxRunning": 5}}))["attempt"] == 1
    # Without a group, nothing is waited for; with more places neither.
    await patch(third, runtime=None)
    await until(call, third, "Running")
    assert await state(call, second) == "Queued"
    await patch(second, runtime={"group": {"name": "g", "maxRunning": 2}})
    await until(call, second, "Running")
    rows = (await call("GET", "experiment", params={"view": "row"})).result
    assert [row.get("group") for row in rows] == [None, "g", "g"]
    log = (await call("GET", "experiment", params={"group": "g", "sort": "accepted"})).result
    assert [json.dumps(item["spec"]["meta"]["cmd"]) for item in log] == ['"sleep 60"', '"sleep 61"']


async def test_who_waits_first_begins_first_and_without_a_limit_nothing_waits(call: Call) -> None:
    first = await post(call, LONG, {"name": "g", "maxRunning": 1})
    second = await post(call, LONG, {"name": "g", "maxRunning": 1})
    third = await post(call, LONG, {"name": "g", "maxRunning": 3})
    free = await post(call, LONG, {"name": "g"})
    await until(call, first, "Running")
    await until(call, free, "Running")
    assert await states(call, [second, third]) == ["Queued", "Queued"]
    await call("POST", f"experiment/{first}/stop")
    await call("POST", f"experiment/{second}/stop")
    await until(call, third, "Running")
    assert await state(call, second) == "Stopped"


async def test_a_key_of_what_waits_is_answered_the_same_again(call: Call) -> None:
    await post(call, LONG, {"name": "g", "maxRunning": 1})
    sent = body(LONG, {"name": "g", "maxRunning": 1})
    answers = [await call("POST", "experiment", sent, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert answers[0].result == answers[1].result
    assert answers[1].headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize(
    ("group", "problem"),
    [
        ({}, "runtime.group.name: Field required"),
        ({"name": ""}, "runtime.group.name: "),
        ({"name": "a\nb"}, "runtime.group.name: must be printable text"),
        ({"name": "a" * 256}, "runtime.group.name: "),
        ({"name": "a", "maxRunning": 0}, "runtime.group.maxRunning: "),
        ({"name": "a", "maxRunning": 1.5}, "runtime.group.maxRunning: "),
        ({"name": "a", "places": 1}, "runtime.group.places: unknown field"),
    ],
)
async def test_a_group_that_is_none_is_named(call: Call, group: Any, problem: str) -> None:
    answer = await call("POST", "experiment", {**body(), "runtime": {"group": group}})
    assert (answer.code, problem in answer.message) == (400, True), answer.message
