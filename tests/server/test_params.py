"""``runtime.params`` through real HTTP and real processes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.server.conftest import Call, Response

PARAMS = {"lr": 0.1, "n": 3, "amp": True, "name": "it's; echo $HOME `id`"}
PRINT = (
    'import os, sys; print(os.environ["SUBMARINE_PARAM_LR"], os.environ["SUBMARINE_PARAMS"], *sys.argv[1:], sep="|")'
)


def body(cmd: str, params: Any = PARAMS, **meta: Any) -> dict[str, Any]:
    return {
        "meta": {"name": "params", "framework": "Standalone", "cmd": cmd, **meta},
        "spec": {"Worker": {"resources": "cpu=10m"}},
        "runtime": {"params": params},
    }


async def ended(call: Call, answer: Response) -> dict[str, Any]:
    """Wait until an experiment has ended; return it."""
    name = answer.result["experimentId"]
    for _ in range(1200):
        found: dict[str, Any] = (await call("GET", f"experiment/{name}", params={"view": "full"})).result
        if found["status"] in ("Succeeded", "Failed"):
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(found)


async def printed(call: Call, name: str) -> list[str]:
    """Return what the one replica has printed."""
    [log] = (await call("GET", f"experiment/logs/{name}")).result["logContent"]
    lines: list[str] = log["podLog"]
    return lines


async def test_replicas_get_their_params_in_words_variables_and_json(call: Call) -> None:
    sent = body(f"python -c '{PRINT}' {{{{lr}}}} {{{{name}}}} \"$X{{{{amp}}}}\"", envVars={"X": "x"})
    answer = await call("POST", "experiment", sent)
    assert answer.result["spec"]["runtime"] == {"params": PARAMS}
    assert answer.result["spec"]["meta"]["cmd"] == sent["meta"]["cmd"]
    found = await ended(call, answer)
    [line] = await printed(call, found["experimentId"])
    assert line == f"0.1|{json.dumps(PARAMS)}|0.1|{PARAMS['name']}|xtrue"
    # Sent back, it is the same experiment again: a clone.
    again = await call("POST", "experiment", found["spec"])
    assert again.result["spec"]["runtime"] == {"params": PARAMS}


async def test_a_dry_run_shows_what_would_run(call: Call) -> None:
    answer = await call("POST", "experiment", body("python t.py --name {{name}}"), params={"dryRun": "true"})
    [shown] = [item for item in answer.result["objects"] if "argv" in item]
    assert shown["argv"] == ["python", "t.py", "--name", PARAMS["name"]]
    assert shown["env"]["SUBMARINE_PARAM_AMP"] == "true"
    assert json.loads(shown["env"]["SUBMARINE_PARAMS"]) == PARAMS


async def test_another_value_is_another_attempt(call: Call) -> None:
    made = (await call("POST", "experiment", body("echo {{lr}}; sleep 60"))).result["experimentId"]
    change = {"runtime": {"params": {"lr": 0.2, "n": None}}, "meta": {"cmd": "echo {{lr}}"}}
    headers = {"Content-Type": "application/merge-patch+json"}
    answer = await call("PATCH", f"experiment/{made}", change, headers=headers, params={"view": "full"})
    assert answer.result["spec"]["runtime"]["params"] == {key: value for key, value in PARAMS.items() if key != "n"} | {
        "lr": 0.2
    }
    assert answer.result["detail"]["attempt"] == 2
    await ended(call, answer)
    assert await printed(call, made) == ["0.2"]
    headers |= {"If-Match": f'"{answer.result["detail"]["generation"]}"'}
    refused = await call("PATCH", f"experiment/{made}", {"runtime": {"params": {"lr": None}}}, headers=headers)
    assert (refused.code, "meta.cmd: runtime.params has no 'lr'" in refused.message) == (400, True)


async def test_what_is_wrong_is_a_400_with_its_path(call: Call) -> None:
    for sent, problem in (
        (body("a {{lrr}}"), "meta.cmd: runtime.params has no 'lrr'; did you mean {{lr}}?"),
        (body("a", {"a": 1, "A": 2}), "runtime.params: 'a' and 'A' would both be the variable SUBMARINE_PARAM_A"),
        (body("a", {"a": [1]}), "runtime.params: a must be text, a number, true or false"),
        (body("a", {"a": 10**19}), "more than 18 digits"),
    ):
        answer = await call("POST", "experiment", sent)
        assert (answer.code, problem in answer.message) == (400, True), answer.message


async def test_the_most_params_there_can_be_hold_up_nobody(call: Call) -> None:
    params = {f"p{i:03}": "x'" * 100 for i in range(200)}
    sent = body("echo " + " ".join(f"{{{{{name}}}}}" for name in params), params)
    answer = await call("POST", "experiment", sent, params={"dryRun": "true"})
    [shown] = [item for item in answer.result["objects"] if "argv" in item]
    assert len(shown["env"]) > 200
