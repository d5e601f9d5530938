"""Two servers on one data directory, as a laptop and a terminal would start them."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.live_server import LiveServer, processes_of

EXPERIMENTS = 16


def body(folder: Path, number: int, seconds: float = 0.0) -> dict[str, Any]:
    script = f'echo {number} >> "{folder}/starts"; echo done; sleep {seconds}'
    meta = {"name": f"n{number}", "framework": "Standalone", "cmd": script}
    return {"meta": meta, "spec": {"Worker": {"resources": "cpu=100m"}}}


@pytest.fixture
def pair(tmp_path: Path, server: LiveServer) -> Any:
    other = LiveServer(tmp_path)
    for each in (server, other):
        each.start()
    assert server.wait_ready()
    assert other.wait_ready()
    yield server, other
    other.kill()
    other.http.close()


def test_each_experiment_starts_once_whichever_server_is_asked(pair: tuple[LiveServer, LiveServer]) -> None:
    folder = pair[0].folder

    def post(number: int) -> list[str]:
        """Send the same request to both servers, as a client does that lost the first answer."""
        key = {"Idempotency-Key": f"key-{number}"}
        answers = [server.result("POST", json=body(folder, number), headers=key) for server in pair]
        return [answer["experimentId"] for answer in answers]

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(post, range(EXPERIMENTS)))
    assert all(first == second for first, second in ids)
    assert len({first for first, _ in ids}) == EXPERIMENTS
    for first, _ in ids:
        assert pair[1].ended(first)["status"] == "Succeeded"
    assert Counter((folder / "starts").read_text().split()) == {str(n): 1 for n in range(EXPERIMENTS)}
    lists = [[found["experimentId"] for found in server.result("GET")] for server in pair]
    assert lists[0] == lists[1]


def test_the_other_server_takes_over(pair: tuple[LiveServer, LiveServer]) -> None:
    folder = pair[0].folder
    running = pair[0].result("POST", json=body(folder, 1, seconds=3))["experimentId"]
    pair[0].kill()
    # Stopping needs a controller, so this one has taken over when it works.
    waiting = pair[1].result("POST", json=body(folder, 2, seconds=60))["experimentId"]
    deadline = time.monotonic() + 40
    while pair[1].result("GET", f"/{waiting}")["status"] != "Running":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    pair[1].result("POST", f"/{waiting}/stop")
    assert pair[1].ended(waiting)["detail"]["reason"] == "Stopped"
    assert pair[1].ended(running)["status"] == "Succeeded"
    assert (folder / "starts").read_text().split() == ["1", "2"]
    assert not processes_of(waiting)


def test_changes_made_by_one_are_streamed_by_the_other(pair: tuple[LiveServer, LiveServer]) -> None:
    folder = pair[0].folder
    for asked, streamed in (pair, pair[::-1]):
        made = asked.result("POST", json=body(folder, 1, seconds=0.5))["experimentId"]
        with streamed.http.stream("GET", f"{streamed.url}/{made}/events") as stream:
            events = [line.removeprefix("event: ") for line in stream.iter_lines() if line.startswith("event:")]
        assert events == ["accepted", "status", "status", "status", "end"]
