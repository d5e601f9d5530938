"""What can never run: a dry run and a POST refuse it alike, and neither stalls the server."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from submarine_jupyter.errors import SubmarineError
from submarine_jupyter_server.wire.answers.experiments import plan_json
from tests.services.conftest import ME, Client, experiment

LONG = "x" * 300
NEVER: dict[str, dict[str, Any]] = {
    "no home": {"runtime": {"workingDir": "~nosuchuser/x"}},
    "no folder": {"runtime": {"workingDir": "/nope"}},
    "a file": {"runtime": {"workingDir": "/etc/passwd"}},
    "below a file": {"runtime": {"workingDir": "/etc/passwd/x"}},
    "a long name": {"runtime": {"workingDir": f"/{LONG}"}},
    "a long path": {"runtime": {"workingDir": "/x" * 3000}},
    "a relative folder": {"runtime": {"workingDir": "a"}},
    "a file that is a folder": {"code": {"syncMode": "inline", "files": {"a": "", "a/b": ""}}},
    "a name of many bytes": {"code": {"syncMode": "inline", "files": {"é" * 200: ""}}},
    "a path of many parts": {"code": {"syncMode": "inline", "files": {"/".join("a" * 3000): ""}}},
    "a long command": {"meta": {"cmd": f"echo {'a' * 140_000}"}},
    "a long variable": {"meta": {"envVars": {"A": "a" * 140_000}}},
    "a broken address": {"code": {"git": {"url": "https://u:p@[::1/x"}}},
    "a broken port": {"code": {"git": {"url": "https://host:port/x"}}},
    "no command": {"meta": {"cmd": "''"}},
    "a comment": {"meta": {"cmd": "# hi"}},
    "a path with itself": {"meta": {"envVars": {"PATH": "/opt/bin:$PATH"}}},
    "a manifest": {"apiVersion": "kubeflow.org/v1", "kind": "PyTorchJob"},
}


@pytest.mark.parametrize("case", NEVER)
async def test_a_dry_run_and_a_post_refuse_alike(client: Client, case: str) -> None:
    body = experiment("true", **NEVER[case])
    with pytest.raises(SubmarineError) as planned:
        await client.service.submissions.plan(ME, body)
    with pytest.raises(SubmarineError) as posted:
        await client.create(body)
    assert planned.value.status == posted.value.status == 400
    assert planned.value.message in posted.value.message  # which also names the experiment, if it was kept
    assert len(planned.value.message) < 1000


async def longest_stall(work: Any) -> float:
    """Return how long the event loop did nothing else at most, in seconds, while ``work`` was done."""
    longest, last, done = 0.0, time.perf_counter(), False

    async def beat() -> None:
        nonlocal longest, last
        while not done:
            await asyncio.sleep(0.002)
            longest, last = max(longest, time.perf_counter() - last), time.perf_counter()

    heart = asyncio.create_task(beat())
    await asyncio.sleep(0)
    await work
    done = True
    await heart
    return longest


async def test_a_dry_run_of_a_thousand_replicas_is_bounded_and_stalls_nobody(client: Client) -> None:
    body = experiment("true", workers=1000, cpu="1m", meta={"framework": "TensorFlow"})
    begun = time.perf_counter()
    plan = await client.service.submissions.plan(ME, body)
    assert len(plan_json(plan)) < 1_000_000
    assert str(plan.objects[-1]["note"]).startswith("990 more of role Worker")
    took = time.perf_counter() - begun
    print(f"{took:.3f} s, stall {await longest_stall(client.service.submissions.plan(ME, body)):.3f} s")


async def test_a_long_command_is_planned_and_runs(client: Client, tmp_path: Path) -> None:
    made = await client.create(experiment(f"echo {'a b ' * 32_000} > {tmp_path}/out; wc -w < {tmp_path}/out"))
    ended = await client.ended(made["experimentId"])
    assert ended["status"] == "Succeeded", ended["detail"]
    assert await client.log(made["experimentId"]) == [["64000"]]
