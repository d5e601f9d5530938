"""SIGKILL while a group runs one after the other: each begins once, never two at a time, and none is forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.crash.test_crash_matrix import whatever_happens
from tests.live_server import LiveServer, processes_of

MEMBERS = 4


def body(folder: Path, number: int) -> dict[str, Any]:
    """Return a member that notes when it begins and ends."""
    script = f'echo "begin {number}" >> "{folder}/course"; sleep 0.3; echo "end {number}" >> "{folder}/course"'
    return {
        "meta": {"name": "member", "framework": "Standalone", "cmd": script},
        "spec": {"Worker": {"resources": "cpu=100m"}},
        "runtime": {"group": {"name": "one by one", "maxRunning": 1}},
    }


def submit(server: LiveServer) -> list[Any]:
    return [
        server.result("POST", json=body(server.folder, number), headers={"Idempotency-Key": f"k{number}"})
        for number in range(MEMBERS)
    ]


@pytest.mark.parametrize(
    "point",
    [
        *(f"tx_commit_before:kill:{n}" for n in (8, 11, 14)),
        *(f"tx_commit_after:kill:{n}" for n in (9, 12, 15)),
        "submit_before:kill:2",
        "outbox_done_before:kill:2",
        "observation_after:kill:6",
    ],
)
def test_one_after_the_other(server: LiveServer, point: str) -> None:
    server.start(point)
    assert server.wait_ready()
    whatever_happens(lambda: submit(server))
    assert server.wait_dead(40) == 137, f"{point} was not reached\n{server.log()}"
    server.start()
    assert server.wait_ready()
    ids = [made["experimentId"] for made in submit(server)]
    for name in ids:
        assert server.ended(name)["status"] == "Succeeded"
    assert not any(processes_of(name) for name in ids)
    course = (server.folder / "course").read_text().splitlines()
    assert course == [f"{what} {number}" for number in range(MEMBERS) for what in ("begin", "end")]
