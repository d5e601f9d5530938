"""What a dead supervisor left running is found and ended, also where it hides, and nothing else is."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from submarine_jupyter.models import Status
from submarine_jupyter_server.targets.local.attempts.orphans import find, lives, send, sweep
from submarine_jupyter_server.targets.local.shim.processes.identity import start_ticks
from tests.targets.local.bench import Bench, eventually, launch

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


async def test_a_daemon_that_cleaned_its_environment(bench: Bench) -> None:
    """Its supervisor has written down that it is there."""
    target = await bench.target()
    order = launch("setsid env -i sleep 61234 & sleep 600")
    await target.ensure(order)
    await bench.status(order, Status.RUNNING)
    await eventually(lambda: len(find("sleep", "61234")) == 1, "the daemon runs")
    [(pid, _)] = find("sleep", "61234")
    await eventually(lambda: f"[{pid}, " in (bench.folder(order) / "state.json").read_text(), "it is written down")
    [shim] = bench.shims(order)
    shim.kill()
    end = await bench.end(order)
    assert end.reason == "SupervisorLost"
    assert "hides its origin may go on" in (end.message or "")
    assert find("sleep", "61234") == []


def test_only_the_process_that_is_meant() -> None:
    with subprocess.Popen(["sleep", "600"]) as process:
        ticks = start_ticks(process.pid)
        assert ticks is not None
        assert lives(process.pid, ticks)
        assert not lives(process.pid, ticks + 1)
        assert not send(process.pid, ticks + 1, signal.SIGKILL)
        state = {"replicas": [], "descendants": [[process.pid, ticks + 1]]}
        assert sweep("no-such-uid", 1, state) == (0, [])
        assert process.poll() is None
        assert sweep("no-such-uid", 1, {"replicas": [], "descendants": [[process.pid, ticks]]}) == (1, [])
        assert process.wait() == -signal.SIGKILL
        assert not lives(process.pid, ticks)
