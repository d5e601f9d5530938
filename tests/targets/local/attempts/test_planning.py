"""The plan of an attempt: what is refused, what is noted, and what each replica is given."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from submarine_jupyter.errors import InvalidSpec
from submarine_jupyter_server.targets import commands
from submarine_jupyter_server.targets.local.attempts.planning import (
    SHOWN,
    Settings,
    check,
    make_plan,
    notes,
    rendered,
    scrubbed,
)
from submarine_jupyter_server.targets.local.machine.scheduler import Amount
from submarine_jupyter_server.targets.local.rundir.folders import Attempt
from tests.targets.local.bench import Bench, eventually, launch, scaled

SETTINGS = Settings(environ={"PATH": "/bin"}, grace_s=1.0, log_cap=1)


def tasks(**counts: int) -> dict[str, Any]:
    return {role: {"replicas": count, "resources": "cpu=10m"} for role, count in counts.items()}


@pytest.fixture
def attempt(tmp_path: Path) -> Attempt:
    return Attempt(tmp_path / "runs" / "experiment-1-0001" / "1")


@pytest.mark.parametrize(
    ("task", "problem"),
    [
        (
            {"replicas": 4, "resources": "cpu=1"},
            (
                "need cpu=4, this machine has cpu=2 for experiments; "
                "ask for less per replica (cpu=500m each fits) or raise SubmarineExtension.local_cpus"
            ),
        ),
        ({"replicas": 3}, "need cpu=3 (a replica without cpu counts as one core), this machine has cpu=2 for"),
        (
            {"resources": "memory=400G"},
            (
                "need memory=400G, this machine has memory=4G for experiments; "
                "ask for less per replica (memory=4000M each fits) or raise SubmarineExtension.local_memory"
            ),
        ),
        (
            {"replicas": 900, "resources": "cpu=1,memory=1Gi"},
            "need cpu=900 and memory=900Gi, this machine has cpu=2",
        ),
    ],
)
def test_what_is_too_large_is_told_in_its_own_units_with_what_fits(task: dict[str, Any], problem: str) -> None:
    order = launch("true", tasks={"Worker": task})
    with pytest.raises(InvalidSpec) as caught:
        check(order.spec, Amount(2000, 4 * 10**9))
    assert problem in str(caught.value)


def test_what_is_said_to_fit_fits() -> None:
    fitting = launch("true", tasks={"Worker": {"replicas": 4, "resources": "cpu=500m"}})
    check(fitting.spec, Amount(2000, 10**9))


def test_a_path_replaces_the_inherited_one(attempt: Attempt) -> None:
    order = launch("true", meta={"envVars": {"PATH": "/env/bin:/bin", "VIRTUAL_ENV": "/env"}})
    [item] = make_plan(order, attempt, SETTINGS, lambda count: [1] * count)["replicas"]
    assert (item["env"]["PATH"], item["env"]["VIRTUAL_ENV"]) == ("/env/bin:/bin", "/env")


def test_where_there_is_no_bash_the_notes_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, script = launch("python t.py"), launch("a | b")
    assert notes(plain.spec) == notes(script.spec) == ()
    monkeypatch.setattr(commands, "BASH", "/no/bash")
    assert notes(plain.spec) == ()
    assert "/bin/sh read the command" in notes(script.spec)[0]


@pytest.mark.parametrize("framework", ["TensorFlow", "PyTorch", "XGBoost", "Standalone"])
def test_a_thousand_replicas_cost_twice_as_much_as_five_hundred(framework: str, attempt: Attempt) -> None:
    def took(count: int) -> float:
        order = launch("true", framework=framework, tasks=tasks(Worker=count))
        fastest = 60.0
        for _ in range(3):
            begun = time.thread_time()
            check(order.spec, Amount(10**9, 0))
            make_plan(order, attempt, SETTINGS, lambda number: list(range(number)))
            fastest = min(fastest, time.thread_time() - begun)
        return fastest

    # Ten times as many: what is quadratic takes a hundred times as long.
    assert took(1000) < 40 * took(100)


def test_a_dry_run_shows_the_first_of_each_role_and_says_what_follows(attempt: Attempt) -> None:
    order = launch("true", framework="TensorFlow", tasks=tasks(Worker=1000, Ps=3))
    shown = rendered(order, attempt, SETTINGS)
    assert [item["name"] for item in shown if "name" in item] == [
        *(f"ps-{i}" for i in range(3)),
        *(f"worker-{i}" for i in range(SHOWN)),
    ]
    assert [item for item in shown if "name" not in item] == [
        {"role": "Worker", "note": "990 more of role Worker differ in nothing but index, rank and port"}
    ]
    assert len(json.dumps(shown)) < 500_000


def test_the_plan_of_what_ended_keeps_no_secret(attempt: Attempt) -> None:
    order = launch("run --password canary", meta={"envVars": {"HF_TOKEN": "canary"}})
    plan = make_plan(order, attempt, SETTINGS, lambda count: [1] * count)
    assert "canary" in json.dumps(plan)
    assert "canary" not in json.dumps(scrubbed(plan))
    assert [item["name"] for item in scrubbed(plan)["replicas"]] == ["worker-0"]


async def test_what_ended_leaves_no_secret_in_its_plan(bench: Bench) -> None:
    target = await bench.target(environ={**os.environ, "AWS_SECRET_ACCESS_KEY": "canary-31337"})
    order = launch("sleep 0 --password canary-31337", meta={"envVars": {"HF_TOKEN": "canary-31337"}})
    await target.ensure(order)
    await bench.end(order)
    await eventually(lambda: (bench.folder(order) / "seen").exists(), "its end was noted")
    assert "canary" not in (bench.folder(order) / "plan.json").read_text()


linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere 127.0.0.1 is the only loopback address")
XGBOOST = {"Master": {"resources": "cpu=100m"}, "Worker": {"replicas": 2, "resources": "cpu=100m"}}
# As in the Kubeflow example for LightGBM: MASTER_ADDR:MASTER_PORT, then each of WORKER_ADDRS with the one WORKER_PORT.
MESH = """
import os, socket, time
env = os.environ
port = int(env["WORKER_PORT"])
machines = [(env["MASTER_ADDR"], int(env["MASTER_PORT"]))] + [(a, port) for a in env["WORKER_ADDRS"].split(",")]
rank = int(env["RANK"])
server = socket.create_server(machines[rank])
for peer in machines:
    for _ in range(400):
        try:
            socket.create_connection(peer, 1).close()
            break
        except OSError:
            time.sleep(0.05)
    else:
        raise SystemExit("no peer at %s" % (peer,))
for _ in machines:  # until everybody was here: who ends too early is not found any more
    server.accept()
print("all", len(machines))
"""
# As LightGBM does it: it listens at all addresses, and finds itself by 127.0.0.1 and its own port.
EVERYWHERE = """
import os, socket, time
machines = [tuple(pair.split(":")) for pair in os.environ["SUBMARINE_ADDRESSES"].split(",")]
own = os.environ["SUBMARINE_PORT"]
assert machines[int(os.environ["RANK"])] == ("127.0.0.1", own)
server = socket.create_server(("", int(own)))
for host, port in machines:
    for _ in range(400):
        try:
            socket.create_connection((host, int(port)), 1).close()
            break
        except OSError:
            time.sleep(0.05)
    else:
        raise SystemExit("no peer")
for _ in machines:
    server.accept()
print("all", len(machines))
"""


@linux
@pytest.mark.parametrize("program", [MESH, EVERYWHERE])
async def test_several_workers_of_xgboost_find_each_other(bench: Bench, program: str) -> None:
    target = await bench.target(environ={**os.environ})
    code = {"syncMode": "inline", "files": {"mesh.py": program}}
    runtime = {"successPolicy": "AllWorkers"}
    order = launch("python mesh.py", framework="XGBoost", tasks=XGBOOST, code=code, runtime=runtime)
    await target.ensure(order)
    end = await bench.end(order)
    logs = [bench.log(order, name) for name in ("master-0", "worker-0", "worker-1")]
    assert (end.status, logs) == ("Succeeded", [b"all 3\n"] * 3), end
    assert any("WORKER_PORT" in note for note in end.notes)


@linux
def test_a_worker_that_comes_later_shares_the_port_of_the_others(attempt: Attempt) -> None:
    ports = iter(range(20000, 20100))

    def lease(count: int) -> list[int]:
        return [next(ports) for _ in range(count)]

    order = launch("true", framework="XGBoost", tasks=XGBOOST)
    plan = make_plan(order, attempt, SETTINGS, lease)
    later = make_plan(scaled(order, Worker=3), attempt, SETTINGS, lease, plan)
    found = {item["name"]: item["env"]["WORKER_PORT"] for item in later["replicas"]}
    assert len(set(found.values())) == 1
    assert later["replicas"][-1]["env"]["WORKER_ADDRS"] == "127.0.0.1,127.0.0.2,127.0.0.3"
    assert len({item["ports"][0] for item in later["replicas"]}) == 4


async def test_a_single_worker_has_ranks_and_a_folder_for_tensorboard(bench: Bench) -> None:
    target = await bench.target()
    names = "$RANK $WORLD_SIZE $LOCAL_RANK $LOCAL_WORLD_SIZE $MASTER_ADDR"
    order = launch(f"[[ $MASTER_PORT -gt 0 && -d $SUBMARINE_TENSORBOARD_LOG_DIR ]] && echo {names}")
    await target.ensure(order)
    end = await bench.end(order)
    assert (end.status, bench.log(order)) == ("Succeeded", b"0 1 0 1 127.0.0.1\n"), end


async def test_a_script_among_the_files_runs_by_its_name(bench: Bench) -> None:
    target = await bench.target()
    code = {"syncMode": "inline", "files": {"run.sh": "#!/bin/sh\necho ran $1\n"}}
    order = launch("./run.sh it\r\n", code=code)
    await target.ensure(order)
    end = await bench.end(order)
    assert (end.status, bench.log(order)) == ("Succeeded", b"ran it\n"), end
