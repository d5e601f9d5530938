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


TRAIN = """
from submarine_jupyter.tracking import log_metric, log_param
import os
lr = float(os.environ["SUBMARINE_PARAM_LR"])
log_param("seed", 7)
log_param("optimizer", "adam")
for step in range(3):
    log_metric("accuracy", 1 - lr - step / 100, step)
"""


async def test_runs_are_found_and_sorted_by_what_they_were_given_and_what_they_measured(call: Call) -> None:
    made = []
    for lr in (0.1, 0.3, 0.2):
        sent = body("python train.py", {"lr": lr, "optimizer": "sgd", "note": f"run_{lr}"})
        sent["code"] = {"syncMode": "inline", "files": {"train.py": TRAIN}}
        made.append(await call("POST", "experiment", sent))
    made.append(await call("POST", "experiment", body("true", {"optimizer": "sgd"}, name="plain")))
    first, second, third, plain = [(await ended(call, answer))["experimentId"] for answer in made]
    for name in (first, second, third):
        await call("GET", f"experiment/{name}/metrics")  # it waits until all is read

    async def found(**params: str) -> list[str]:
        return [item["experimentId"] for item in (await call("GET", "experiment", params=params)).result]

    assert await found(**{"param.lr": "<0.25", "sort": "param.lr"}) == [first, third]
    assert await found(**{"param.lr": "0.30"}) == [second]
    # What the code told counts, in place of what was declared.
    assert await found(**{"param.optimizer": "sgd"}) == [plain]
    assert await found(**{"param.optimizer": "adam", "metric.accuracy": ">0.75"}) == [third, first]
    assert await found(sort="-metric.accuracy") == [first, third, second, plain]
    assert await found(sort="metric.accuracy", q="params") == [second, third, first]
    assert await found(q="RUN_0.2") == [third]
    assert await found(since="1d", q="plain") == [plain]
    assert await found(since="2099-01-01T00:00:00Z") == []
    page = await call("GET", "experiment", params={"sort": "-metric.accuracy", "limit": "2"})
    cursor = page.envelope["attributes"]["nextCursor"]
    assert await found(sort="-metric.accuracy", limit="2", cursor=cursor) == [second, plain]
    detail = (await call("GET", f"experiment/{first}", params={"view": "full"})).result["detail"]
    assert detail["params"] == {"lr": 0.1, "optimizer": "adam", "note": "run_0.1", "seed": 7}
    assert sorted(detail["loggedParams"]) == ["optimizer", "seed"]
    detail = (await call("GET", f"experiment/{plain}", params={"view": "full"})).result["detail"]
    assert detail["params"] == {"optimizer": "sgd"}
    assert "loggedParams" not in detail
    # What is misspelt does not look like no result.
    for params, note in (
        ({"param.lrr": "0.1"}, "No experiment has the parameter 'lrr'."),
        ({"sort": "-metric.acuracy"}, "No experiment has the metric 'acuracy'."),
        ({"param.lr": "7"}, None),
        ({"param.lr": "0.1", "metric.accuracy": ">2"}, None),
    ):
        answer = await call("GET", "experiment", params=params)
        assert answer.envelope["attributes"].get("note") == note, params
    for params, problem in (
        ({"metric.accuracy": ">high"}, "'metric.accuracy' must be compared with a number"),
        ({"sort": "accuracy"}, "sort: 'accuracy' is not one of accepted, name, status, finished, param.NAME"),
    ):
        refused = await call("GET", "experiment", params=params)
        assert (refused.code, problem in refused.message) == (400, True), refused.message


ODD = """
from submarine_jupyter.tracking import log_metric, log_param
for value in (0.5, float("nan"), float("inf"), float("-inf")):
    log_metric("loss", value)
    log_param("limit", value)
print("epoch 1 acc=1e999 loss=nan")
"""


def refuse(word: str) -> None:
    raise AssertionError(f"{word} is not JSON")


async def test_what_is_no_finite_number_is_null_in_every_answer(call: Call) -> None:
    sent = body("python train.py", {"lr": 0.1})
    sent["code"] = {"syncMode": "inline", "files": {"train.py": ODD}}
    name = (await ended(call, await call("POST", "experiment", sent)))["experimentId"]
    for path, params in (
        (f"experiment/{name}/metrics", {}),
        (f"experiment/{name}/metrics", {"points": "4"}),
        (f"experiment/{name}", {"view": "full"}),
        (f"experiment/{name}/events", {}),
        ("experiment", {"sort": "-metric.loss"}),
    ):
        answer = await call("GET", path, params=params)
        assert answer.code == 200
        texts = [line[5:] for line in answer.text.splitlines() if line.startswith("data:")] or [answer.text]
        for text in texts:
            json.loads(text, parse_constant=refuse)
    series = (await call("GET", f"experiment/{name}/metrics")).result["series"]
    values = [point["value"] for one in series if one["name"] == "loss" for point in one["points"]]
    assert values == [0.5, None, None, None, None]
