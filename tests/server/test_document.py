"""The examples of the API document, sent as they stand there and answered field for field."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

GOLDEN = Path(__file__).parent.parent / "models" / "golden"
ID = r"experiment-\d{13}-\d{4,}"
UID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d"
TIMES = ("acceptedTime", "createdTime", "runningTime", "finishedTime")

pytestmark = pytest.mark.parametrize(
    "server_config", [{"SubmarineExtension": {"local_cpus": 8, "local_memory": "16Gi"}}], ids=["large"]
)


def golden(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text())


def like(found: Any, documented: Any, path: str = "") -> None:
    """Assert the same keys in the same order, and values of the same form, as in the document."""
    name = path.rpartition(".")[2]
    if isinstance(documented, dict):
        assert list(found) == list(documented), path
        for key in documented:
            like(found[key], documented[key], f"{path}.{key}")
    elif name in TIMES:
        assert found is None or re.fullmatch(TIME, found), path
    elif name in ("experimentId", "uid"):
        assert re.fullmatch(ID if name == "experimentId" else UID, found), path
    elif isinstance(documented, list) and documented:
        for index, item in enumerate(found):
            like(item, documented[0], f"{path}[{index}]")
    elif name == "podName":
        assert re.fullmatch(rf"{ID}-(ps|worker)-\d+", found), path
    elif name != "status" and not name.startswith("podLog["):
        assert found == documented, path


def running(body: Any) -> Any:
    """Return the documented body with a command that is there, and runs until it is stopped."""
    return {**body, "meta": {**body["meta"], "cmd": "sleep 60"}}


async def until(call: Any, experiment_id: str, status: str) -> Any:
    for _ in range(800):
        answer = await call("GET", f"experiment/{experiment_id}")
        if answer.result["status"] == status:
            return answer
        await asyncio.sleep(0.05)
    raise AssertionError(f"it is {answer.result['status']}, not {status}")


async def test_create(call: Any) -> None:
    answer = await call("POST", "experiment", golden("post.request"))
    documented = golden("post.response")
    like(answer.envelope, documented)
    result = answer.result
    assert result["status"] == "Accepted"
    assert [result[name] is None for name in TIMES] == [False, True, True, True]
    assert result["spec"]["meta"]["experimentId"] == result["experimentId"]
    assert ": " not in answer.text.partition('"result"')[0]
    await call("DELETE", f"experiment/{result['experimentId']}")


async def test_yaml_means_the_same_as_json(call: Any) -> None:
    body = golden("post.request")
    text = f"""
meta:
  name: tf-mnist-json
  namespace: default
  framework: TensorFlow
  cmd: {body["meta"]["cmd"]}
  envVars:
    ENV_1: ENV1
environment:
  image: apache/submarine:tf-mnist-with-summaries-1.0
spec:
  Ps: {{replicas: 1, resources: "cpu=1,memory=1024M"}}
  Worker:
    replicas: 1
    resources: cpu=1,memory=2048M
"""
    for kind in ("application/yaml", "text/yaml; charset=UTF-8", "application/x-yaml"):
        answer = await call("POST", "experiment", text, headers={"Content-Type": kind})
        like(answer.envelope, golden("post.response"))
        await call("DELETE", f"experiment/{answer.result['experimentId']}")


async def test_get_and_list(call: Any) -> None:
    made = (await call("POST", "experiment", running(golden("post.request")))).result["experimentId"]
    answer = await until(call, made, "Running")
    documented = golden("get.response")
    documented["result"]["spec"]["meta"]["cmd"] = "sleep 60"
    like(answer.envelope, documented)
    times = [answer.result[name] for name in TIMES]
    assert times[3] is None
    assert times[:3] == sorted(times[:3])
    listed = await call("GET", "experiment")
    assert listed.result == [answer.result]
    like(listed.envelope["attributes"], {})
    await call("DELETE", f"experiment/{made}")


async def test_patch(call: Any) -> None:
    made = (await call("POST", "experiment", running(golden("post.request")))).result["experimentId"]
    await until(call, made, "Running")
    answer = await call("PATCH", f"experiment/{made}", running(golden("patch.request")))
    documented = golden("patch.response")
    documented["result"]["spec"]["meta"]["cmd"] = "sleep 60"
    like(answer.envelope, documented)
    assert answer.result["spec"]["spec"]["Worker"]["replicas"] == 2
    merged = await call(
        "PATCH",
        f"experiment/{made}",
        json.dumps({"spec": {"Worker": {"replicas": 1}}}),
        headers={"Content-Type": "application/merge-patch+json"},
    )
    assert merged.result["spec"]["spec"]["Worker"]["replicas"] == 1
    await call("DELETE", f"experiment/{made}")


async def test_the_spec_of_get_can_be_sent_back(call: Any) -> None:
    made = (await call("POST", "experiment", running(golden("post.request")))).result["experimentId"]
    found = (await call("GET", f"experiment/{made}")).result
    assert (await call("PATCH", f"experiment/{made}", found["spec"])).result["spec"] == found["spec"]
    await call("DELETE", f"experiment/{made}")


async def test_delete(call: Any) -> None:
    made = (await call("POST", "experiment", running(golden("post.request")))).result["experimentId"]
    answer = await call("DELETE", f"experiment/{made}")
    documented = golden("delete.response")
    documented["result"]["spec"]["meta"]["cmd"] = "sleep 60"
    documented["result"]["spec"]["spec"]["Worker"]["replicas"] = 1
    like(answer.envelope, documented)
    assert answer.result["status"] == "Deleted"
    assert [answer.result[name] for name in TIMES] == [None] * 4
    gone = await call("GET", f"experiment/{made}")
    assert (gone.code, gone.message) == (404, "Not found experiment.")


async def test_stop_keeps_the_record(call: Any) -> None:
    made = (await call("POST", "experiment", running(golden("post.request")))).result["experimentId"]
    await until(call, made, "Running")
    stopped = await call("POST", f"experiment/{made}/stop", b"")
    like(stopped.envelope["result"], golden("get.response")["result"] | {"spec": stopped.result["spec"]})
    await until(call, made, "Failed")
    full = (await call("GET", f"experiment/{made}", params={"view": "full"})).result
    assert full["detail"]["reason"] == "Stopped"
    assert list(full)[:-1] == list(golden("get.response")["result"])
    await call("DELETE", f"experiment/{made}")


async def test_logs(call: Any) -> None:
    body = golden("post.request")
    body["meta"]["cmd"] = "for i in 0 10; do echo Accuracy at step $i: 0.5; done"
    made = (await call("POST", "experiment", body)).result["experimentId"]
    await until(call, made, "Succeeded")
    listed = await call("GET", "experiment/logs")
    like(listed.envelope, golden("log_list.response"))
    answer = await call("GET", f"experiment/logs/{made}")
    documented = golden("log.response")
    like(answer.envelope, documented)
    content = answer.result["logContent"]
    assert [pod["podName"] for pod in content] == [f"{made}-ps-0", f"{made}-worker-0"]
    assert content[1]["podLog"] == ["Accuracy at step 0: 0.5", "Accuracy at step 10: 0.5"]
    tail = await call("GET", f"experiment/logs/{made}", params={"tail": "1", "replica": "worker-0"})
    assert tail.result["logContent"][0]["podLog"] == ["Accuracy at step 10: 0.5"]
    metrics = (await call("GET", f"experiment/{made}/metrics")).result
    assert [series["name"].lower() for series in metrics["series"]] == ["accuracy", "accuracy"]


async def test_a_dry_run_makes_nothing(call: Any) -> None:
    answer = await call("POST", "experiment", golden("post.request"), params={"dryRun": "true"})
    assert answer.result["target"] == "local"
    assert (await call("GET", "experiment")).result == []


async def test_the_same_key_makes_one_experiment(call: Any) -> None:
    body = running(golden("post.request"))
    first = await call("POST", "experiment", body, headers={"Idempotency-Key": "one"})
    again = await call("POST", "experiment", body, headers={"Idempotency-Key": "one"})
    assert again.text == first.text
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    other = await call("POST", "experiment", golden("post.request"), headers={"Idempotency-Key": "one"})
    assert (other.code, other.envelope["status"]) == (422, "UNPROCESSABLE_ENTITY")
    await call("DELETE", f"experiment/{first.result['experimentId']}")


async def test_a_change_can_be_bound_to_a_generation(call: Any) -> None:
    body = running(golden("post.request"))
    made = (await call("POST", "experiment", body)).result["experimentId"]
    stale = await call("PATCH", f"experiment/{made}", body, headers={"If-Match": '"99"'})
    assert stale.code == 409
    full = (await call("GET", f"experiment/{made}", params={"view": "full"})).result
    current = f'"{full["detail"]["generation"]}"'
    assert (await call("PATCH", f"experiment/{made}", body, headers={"If-Match": current})).code == 200
    await call("DELETE", f"experiment/{made}")


async def test_the_compute_targets(call: Any) -> None:
    targets = (await call("GET", "target")).result
    assert [list(target) for target in targets] == [["name", "kind", "default", "namespaces", "health", "capacity"]]
    assert [(target["name"], target["kind"], target["default"]) for target in targets] == [("local", "local", True)]
    assert (targets[0]["namespaces"], targets[0]["health"]) == (["default"], {"ok": True})


async def test_a_page_has_a_link_to_the_next(call: Any) -> None:
    body = running(golden("post.request"))
    ids = [(await call("POST", "experiment", body)).result["experimentId"] for _ in range(3)]
    first = await call("GET", "experiment", params={"limit": "2"})
    assert [item["experimentId"] for item in first.result] == ids[:0:-1]
    link = re.fullmatch(r'<([^>]*)>; rel="next"', first.headers["Link"])
    assert link is not None
    path, _, query = link[1].partition("?")
    assert path.endswith("/api/v1/experiment")
    second = await call("GET", "experiment", params=dict(parse_qsl(query)))
    assert [item["experimentId"] for item in second.result] == ids[:1]
    assert "Link" not in second.headers
    for experiment_id in ids:
        await call("DELETE", f"experiment/{experiment_id}")
