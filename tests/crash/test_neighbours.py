"""Two servers on one data directory: the one that only follows tells the truth about the other."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live_server import LiveServer

Pair = tuple[LiveServer, LiveServer]


def body(cmd: str, cpu: str = "100m") -> dict[str, Any]:
    return {
        "meta": {"name": "n", "framework": "Standalone", "cmd": cmd},
        "spec": {"Worker": {"resources": f"cpu={cpu}"}},
    }


@pytest.fixture
def pair(tmp_path: Path, server: LiveServer) -> Iterator[Pair]:
    """The controller and one that follows."""
    other = LiveServer(tmp_path)
    for each in (server, other):
        each.start()
        assert each.wait_ready()
    yield server, other
    with contextlib.suppress(ProcessLookupError):
        os.kill(server.pid, signal.SIGCONT)
    other.kill()
    other.http.close()


def until(holds: Callable[[], object], server: LiveServer, seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, server.log()
        time.sleep(0.1)


def targets(server: LiveServer) -> dict[str, Any]:
    answer = server.http.get(f"{server.url.removesuffix('experiment')}target")
    return {row["name"]: row for row in answer.json()["result"]}


def plan(server: LiveServer, experiment_id: str) -> dict[str, Any]:
    detail = server.result("GET", f"/{experiment_id}", params={"view": "full"})["detail"]
    return dict(detail.get("plan", {}))


def dry(server: LiveServer, cpu: str) -> dict[str, Any]:
    answer = server.http.post(server.url, json=body("true", cpu=cpu), params={"dryRun": "true"})
    return dict(answer.json()["attributes"]["plan"])


def notices(server: LiveServer) -> str:
    return " ".join(server.http.get(f"{server.url}/ping").json()["attributes"].get("notices", []))


def test_the_follower_tells_what_the_controller_uses(pair: Pair) -> None:
    controller, follower = pair
    made = follower.result("POST", json=body("sleep 60", cpu="1"))["experimentId"]
    until(lambda: follower.result("GET", f"/{made}")["status"] == "Running", follower)
    until(lambda: targets(follower)["local"]["capacity"] == targets(controller)["local"]["capacity"], follower)
    assert targets(follower)["local"]["capacity"]["cpu"]["used"] >= 1
    # Also of what waits; and an experiment that waits says so on both.
    whole = f"{targets(controller)['local']['capacity']['cpu']['total']:g}"
    waiting = [controller.result("POST", json=body("true", cpu=whole))["experimentId"] for _ in range(2)]
    until(lambda: targets(follower)["local"]["capacity"]["queued"] == waiting, follower)
    assert {key: value for key, value in targets(follower)["local"].items() if key != "health"} == {
        key: value for key, value in targets(controller)["local"].items() if key != "health"
    }
    for each in (controller, follower):
        until(lambda each=each: plan(each, waiting[1]).get("place") == 2, each)  # type: ignore[misc]
        assert plan(each, waiting[1])["ahead"] == {"count": 1, "experimentIds": waiting[:1]}
        assert plan(each, waiting[1])["verdict"] == "waits"
    said = dry(follower, cpu=whole)
    assert (said["verdict"], said["ahead"]) == ("waits", {"count": 2, "experimentIds": waiting})
    for name in (*waiting, made):
        controller.result("DELETE", f"/{name}")
    assert notices(follower) == ""


def test_a_stopped_controller_is_named_and_all_goes_on_when_it_does(pair: Pair) -> None:
    controller, follower = pair
    running = follower.result("POST", json=body("sleep 60"))["experimentId"]
    until(lambda: follower.result("GET", f"/{running}")["status"] == "Running", follower)
    until(lambda: (targets(follower)["local"]["capacity"] or {}).get("running"), follower)
    os.kill(controller.pid, signal.SIGSTOP)
    made = follower.result("POST", json=body("true"))["experimentId"]
    follower.result("POST", f"/{running}/stop")
    who = f"the server with pid {controller.pid}"

    def told(experiment_id: str) -> bool:
        detail = follower.result("GET", f"/{experiment_id}", params={"view": "full"})["detail"]
        return detail["reason"] == "ControllerSilent" and who in detail["message"]

    until(lambda: told(made) and told(running), follower)
    assert who.capitalize() in notices(follower)
    found = targets(follower)["local"]
    assert who in found["note"]
    said = dry(follower, cpu="100m")
    assert (said["verdict"], said["ahead"]) == (None, None)
    assert who in said["why"]
    assert found["age"] > 10
    assert found["health"]["ok"] is False
    assert found["capacity"]["cpu"]["used"] > 0
    os.kill(controller.pid, signal.SIGCONT)
    assert follower.ended(made)["status"] == "Succeeded"
    assert follower.ended(running)["detail"]["reason"] == "Stopped"
    until(lambda: notices(follower) == "", follower)


@pytest.mark.parametrize("removed", [("controller.lock",), ("controller.lock", "followers.lock", "controller.json")])
def test_removed_lock_files_make_no_second_controller(pair: Pair, removed: tuple[str, ...]) -> None:
    controller, follower = pair
    folder = controller.folder
    for name in removed:
        (controller.data / name).unlink()
    ids = [pair[n % 2].result("POST", json=body(f'echo {n} >> "{folder}/starts"'))["experimentId"] for n in range(6)]
    for made in ids:
        assert follower.ended(made)["status"] == "Succeeded"
    assert sorted((folder / "starts").read_text().split()) == [str(n) for n in range(6)]
    # Whoever leads now, it is one: the other takes over when it dies.
    controller.kill()
    assert follower.ended(follower.result("POST", json=body("true"))["experimentId"])["status"] == "Succeeded"


def test_a_controller_whose_lock_was_taken_steps_down(pair: Pair) -> None:
    controller, follower = pair
    os.kill(controller.pid, signal.SIGSTOP)
    (controller.data / "controller.lock").unlink()
    # The follower has the lock, and waits for the one that takes itself for the controller.
    until(lambda: "removed the lock of" in notices(follower), follower)
    made = follower.result("POST", json=body("true"))["experimentId"]
    os.kill(controller.pid, signal.SIGCONT)
    assert controller.ended(made)["status"] == "Succeeded"
    until(lambda: "another server gives the orders" in controller.log(), controller)
    follower.kill()
    assert controller.ended(controller.result("POST", json=body("true"))["experimentId"])["status"] == "Succeeded"


@pytest.mark.parametrize("what", ["submarine.db", "."])
def test_data_that_is_removed_is_a_notice(server: LiveServer, what: str) -> None:
    server.start()
    assert server.wait_ready()
    removed, aside = (server.data / what).resolve(), server.folder / "aside"
    removed.rename(aside)
    until(lambda: "was removed while it was in use" in notices(server), server)
    answer = server.http.post(server.url, json=body("true"))
    assert answer.status_code == 503, answer.text
    aside.rename(removed)
    until(lambda: notices(server) == "", server, seconds=80)
    assert server.ended(server.result("POST", json=body("true"))["experimentId"])["status"] == "Succeeded"


def test_an_idle_server_sleeps(server: LiveServer) -> None:
    server.start()
    assert server.wait_ready()
    server.ended(server.result("POST", json=body("true"))["experimentId"])

    def switches() -> int:
        tasks = Path(f"/proc/{server.pid}/task").glob("*/status")
        lines = (line for task in tasks for line in task.read_text().splitlines())
        return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))

    def calm() -> bool:
        before = switches()
        time.sleep(6)  # over such a time the rate is meant
        return switches() - before <= 6

    until(calm, server, seconds=60)
