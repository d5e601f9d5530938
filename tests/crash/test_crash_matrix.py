"""SIGKILL at every named place: nothing acknowledged is lost, nothing runs twice, nothing is left behind."""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from submarine_jupyter_server.process import failpoints
from tests.live_server import LiveServer, processes_of

LINES = 20
# Reached several times on the way of one experiment: each time counts.
SUBMIT = [
    "body_parsed", "submit_before", "submit_after", "outbox_done_before", "outbox_done_after", "response_before",
    "rundir_created", "plan_written", "shim_spawn_before", "shim_spawn_after", "metrics_record", "reconcile",
    *(f"tx_begin:kill:{n}" for n in (2, 5)),
    *(f"tx_commit_before:kill:{n}" for n in range(1, 7)),
    *(f"tx_commit_after:kill:{n}" for n in range(1, 7)),
    *(f"observation_before:kill:{n}" for n in range(1, 4)),
    *(f"observation_after:kill:{n}" for n in range(1, 4)),
]  # fmt: skip
STOP = ["stop_intent", "stop_target"]
DELETE = ["delete_intent", "delete_target", "delete_done"]
SCALE = ["scale_intent", "plan_written:kill:2", "tx_commit_after:kill:5"]
SHIM = list(failpoints.SHIM_NAMES)
# Of the database alone; tests/store kills there.
STORE = ["migrate_step", "backup"]


def name_of(point: str) -> str:
    return point.partition(":")[0]


def action(point: str) -> str:
    return point if ":" in point else f"{point}:kill"


def test_every_failpoint_is_in_a_list() -> None:
    listed = {name_of(point) for point in (*SUBMIT, *STOP, *DELETE, *SCALE, *STORE)}
    assert listed == set(failpoints.NAMES)


def body(folder: Path, *, seconds: float = 0.6, exit_code: int = 3, until: str = "/") -> dict[str, Any]:
    """Return an experiment that counts its starts, prints a metric a line and ends with a code of its own.

    It does not end before there is a file ``until``.
    """
    script = (
        f'echo start >> "{folder}/starts.$SUBMARINE_REPLICA_INDEX"; i=0; while [ $i -lt {LINES} ]; do '
        f'echo "Accuracy at step $i: 0.5"; i=$((i+1)); sleep {seconds / LINES}; done; '
        f'while [ ! -e "{folder / until}" ]; do sleep 0.05; done; exit {exit_code}'
    )
    return {
        "meta": {"name": "crash", "framework": "PyTorch", "cmd": script},
        "spec": {"Worker": {"replicas": 1, "resources": "cpu=100m"}},
    }


def submit(server: LiveServer, key: str, **more: Any) -> Any:
    return server.result("POST", json=body(server.folder, **more), headers={"Idempotency-Key": key})


def whatever_happens(call: Callable[[], Any]) -> Any:
    """Return what a call returned, None when the server died of it."""
    try:
        return call()
    except httpx.TransportError:
        return None


def starts(server: LiveServer, worker: int = 0) -> int:
    file = server.folder / f"starts.{worker}"
    return len(file.read_text().splitlines()) if file.exists() else 0


def eventually(holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + 40
    while not holds():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.05)


def assert_nothing_runs(experiment_id: str) -> None:
    eventually(lambda: not processes_of(experiment_id), f"the end of all processes of {experiment_id}")


def lives(lock: Path) -> bool:
    """Tell whether a shim holds its lock."""
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@pytest.mark.parametrize("point", SUBMIT)
def test_submit_and_run(server: LiveServer, point: str) -> None:
    server.start(action(point))
    answered = None
    if server.wait_ready():
        answered = whatever_happens(lambda: submit(server, "the-key"))
    assert server.wait_dead(40) == 137, f"{point} was not reached\n{server.log()}"

    server.start()
    assert server.wait_ready()
    again = submit(server, "the-key")
    if answered is not None:
        assert again["experimentId"] == answered["experimentId"]
    listed = server.result("GET")
    assert [found["experimentId"] for found in listed] == [again["experimentId"]]
    ended = server.ended(again["experimentId"])
    assert (ended["status"], ended["detail"]["replicas"][0]["exitCode"]) == ("Failed", 3), ended["detail"]
    assert starts(server) == 1
    log = server.result("GET", f"/logs/{again['experimentId']}")["logContent"]
    assert log == [
        {
            "podName": f"{again['experimentId']}-worker-0",
            "podLog": [f"Accuracy at step {step}: 0.5" for step in range(LINES)],
        }
    ]
    assert steps(server, again["experimentId"]) == list(range(LINES))
    assert_nothing_runs(again["experimentId"])


def steps(server: LiveServer, experiment_id: str) -> list[int]:
    """Return the steps of the metric, which are read within a moment of the end."""
    deadline = time.monotonic() + 20
    while True:
        series = server.result("GET", f"/{experiment_id}/metrics")["series"]
        found = [point["step"] for point in series[0]["points"]] if series else []
        if len(found) >= LINES or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


@pytest.mark.parametrize("point", STOP)
def test_stop(server: LiveServer, point: str) -> None:
    server.start(action(point))
    assert server.wait_ready()
    made = submit(server, "k", seconds=60)["experimentId"]
    whatever_happens(lambda: server.result("POST", f"/{made}/stop"))
    assert server.wait_dead(40) == 137
    server.start()
    assert server.wait_ready()
    ended = server.ended(made)
    assert (ended["status"], ended["detail"]["reason"]) == ("Failed", "Stopped")
    assert starts(server) <= 1
    assert_nothing_runs(made)


@pytest.mark.parametrize("point", DELETE)
def test_delete(server: LiveServer, point: str) -> None:
    server.start(action(point))
    assert server.wait_ready()
    made = submit(server, "k", seconds=60)["experimentId"]
    whatever_happens(lambda: server.result("DELETE", f"/{made}"))
    assert server.wait_dead(40) == 137
    server.start()
    assert server.wait_ready()
    assert server.http.get(f"{server.url}/{made}").status_code == 404
    assert server.result("GET") == []
    assert_nothing_runs(made)
    # A lost database does not bring it back.
    server.kill()
    for file in server.data.glob("submarine.db*"):
        file.unlink()
    server.start()
    assert server.wait_ready()
    time.sleep(1)
    assert server.result("GET") == []


@pytest.mark.parametrize("point", SCALE)
def test_scale(server: LiveServer, point: str) -> None:
    server.start(action(point))
    ready = server.wait_ready()
    made = whatever_happens(lambda: submit(server, "k", exit_code=0, until="scaled")) if ready else None
    change = {"spec": {"Worker": {"replicas": 2}}}
    kind = {"Content-Type": "application/merge-patch+json"}

    def patch() -> Any:
        assert made is not None
        return server.result("PATCH", f"/{made['experimentId']}", content=json.dumps(change), headers=kind)

    if made is not None:
        whatever_happens(patch)
    assert server.wait_dead(40) == 137, server.log()
    server.start()
    assert server.wait_ready()
    made = submit(server, "k", exit_code=0, until="scaled")
    assert made is not None
    patch()
    eventually(lambda: starts(server, 1) > 0, "the second worker")
    (server.folder / "scaled").touch()
    ended = server.ended(made["experimentId"])
    assert [replica["exitCode"] for replica in ended["detail"]["replicas"]] == [0, 0], ended["detail"]
    assert (starts(server, 0), starts(server, 1)) == (1, 1)
    assert_nothing_runs(made["experimentId"])


@pytest.mark.parametrize("point", SHIM)
def test_the_supervisor_itself_is_killed(server: LiveServer, point: str) -> None:
    server.start(action(point))
    assert server.wait_ready()
    made = submit(server, "k")["experimentId"]
    attempt = server.data / "runs" / made / "1"
    begun, lock = attempt / ("lock" if point == "shim_spawned" else "started"), attempt / "lock"
    eventually(lambda: begun.exists() and not lives(lock), "the death of the supervisor")
    server.kill()
    server.start()
    assert server.wait_ready()
    ended = server.ended(made)
    if point in ("shim_spawned", "shim_exit_after"):
        assert ended["detail"]["replicas"][0]["exitCode"] == 3
    else:
        assert (ended["status"], ended["detail"]["reason"]) == ("Failed", "SupervisorLost")
    assert starts(server) <= 1
    assert_nothing_runs(made)
