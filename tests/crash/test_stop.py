"""SIGTERM ends a real server soon, whatever of it hangs, and another one takes over where it was."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.live_server import LiveServer

# 5 s for our part; the rest is for Jupyter's own, on a busy machine.
END_S = 20.0


def body(cmd: str) -> dict[str, Any]:
    return {
        "meta": {"name": "n", "framework": "Standalone", "cmd": cmd},
        "spec": {"Worker": {"resources": "cpu=100m"}},
    }


def begin_until_it_hangs(server: LiveServer) -> None:
    """Create experiments until one is not answered, or does not start."""
    with contextlib.suppress(httpx.TimeoutException):
        for _ in range(5):
            server.result("POST", json=body("true"), timeout=3)


@pytest.mark.parametrize("place", ["rundir_created:hang", "tx_begin:hang:8", "tx_commit_before:hang:8"])
def test_a_server_of_which_a_part_hangs_ends_when_it_is_asked_to(server: LiveServer, place: str) -> None:
    server.start(failpoint=place)
    assert server.wait_ready()
    begin_until_it_hangs(server)
    os.kill(server.pid, signal.SIGTERM)
    assert server.wait_dead(END_S) is not None, server.log()
    server.start()
    assert server.wait_ready()
    assert server.ended(server.result("POST", json=body("true"))["experimentId"])["status"] == "Succeeded"


def test_a_server_that_hangs_while_it_opens_ends_when_it_is_asked_to(server: LiveServer, tmp_path: Path) -> None:
    server.data.mkdir(mode=0o700)
    os.mkfifo(server.data / "instance")  # read at the opening, and nobody ever writes into it
    server.options += ("--SubmarineExtension.targets={'far': {}}",)
    server.start()
    deadline = time.monotonic() + 40
    while True:
        with contextlib.suppress(httpx.TransportError):
            if server.http.get(f"{server.url}/ping").status_code == 200:
                break
        assert time.monotonic() < deadline, server.log()
        time.sleep(0.05)
    with contextlib.suppress(httpx.TimeoutException):
        server.http.get(server.url, timeout=2)
    os.kill(server.pid, signal.SIGTERM)
    assert server.wait_dead(END_S) is not None, server.log()
