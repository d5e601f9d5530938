"""A supervisor that is stopped, and files that hang, are told; what was ordered happens all the same."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from submarine_jupyter.errors import TargetUnavailable
from submarine_jupyter.models import Status
from submarine_jupyter_server.targets.local.attempts import attempt_status, orphans
from submarine_jupyter_server.targets.local.attempts.attempt_status import pulse
from submarine_jupyter_server.targets.local.blocking import blocking_calls
from submarine_jupyter_server.targets.local.run import AttemptRun
from submarine_jupyter_server.targets.local.rundir.folders import Attempt
from submarine_jupyter_server.targets.local.supervision import settling
from tests.targets.local.bench import Bench, eventually, launch
from tests.targets.local.test_crash import edit


async def test_a_stopped_supervisor_is_told_and_goes_on(bench: Bench) -> None:
    target = await bench.target()
    order = launch("while ! test -e go; do sleep 0.05; done; exit 7")
    await target.ensure(order)
    await bench.status(order, Status.RUNNING)
    [shim] = bench.shims(order)
    shim.suspend()
    begun = time.monotonic()
    seen = await bench.until(order, lambda seen: seen.reason == "SupervisorStuck")
    assert time.monotonic() - begun < 25
    assert f"its supervisor (process {shim.pid}) has given no sign of life" in (seen.message or "")
    (bench.workspace(order) / "work/go").touch()
    shim.resume()
    end = await bench.end(order)
    assert (end.reason, end.replicas[0].exit_code) == ("ReplicaFailed", 7)


@pytest.mark.parametrize("way", ["stop", "delete"])
async def test_a_stopped_supervisor_can_be_ended(bench: Bench, way: str) -> None:
    """Stopped from the very beginning, by the job itself."""
    target = await bench.target()
    order = launch("kill -STOP $PPID; sleep 0.5; exit 7")
    await target.ensure(order)
    await eventually(
        lambda: [shim.status() for shim in bench.shims(order)] == ["stopped"], "it has stopped its supervisor"
    )
    if way == "stop":
        await target.stop(order)
        assert (await bench.end(order)).status == Status.FAILED
    else:
        await target.delete(order.experiment_id, order.uid)
    await eventually(lambda: bench.processes(order) == [] and bench.shims(order) == [], "all is ended")

    async def nothing_runs() -> bool:
        return (await target.capacity())["running"] == 0

    await eventually(nothing_runs, "its place is free again")


async def test_a_supervisor_that_does_not_follow_is_killed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waking it does not help."""

    def send(pid: int, ticks: int | None, number: int) -> bool:
        return number != signal.SIGCONT and orphans.send(pid, ticks, number)

    monkeypatch.setattr(settling, "send", send)
    monkeypatch.setattr(settling, "PATIENCE_S", 1.0)
    target = await bench.target(grace_s=0.5)
    order = launch("exec sleep 600")
    await target.ensure(order)
    await bench.status(order, Status.RUNNING)
    [shim] = bench.shims(order)
    shim.suspend()
    await target.stop(order)
    end = await bench.end(order)
    assert (end.reason, end.replicas[0].status) == ("Stopped", "Failed")
    assert end.message == "it was stopped; its supervisor did not answer and was killed"
    assert bench.processes(order) == []
    assert bench.shims(order) == []


async def test_a_stopped_replica_can_be_ended(bench: Bench) -> None:
    target = await bench.target(grace_s=0.5)
    order = launch("exec sleep 600")
    await target.ensure(order)
    await bench.status(order, Status.RUNNING)
    await eventually(lambda: len(bench.processes(order)) == 1, "it runs")
    [replica] = bench.processes(order)
    replica.suspend()
    await target.stop(order)
    assert (await bench.end(order)).reason == "Stopped"
    assert bench.processes(order) == []


async def test_files_that_hang_hold_up_nobody_else(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a dead file server: a call for one experiment does not come back."""
    monkeypatch.setattr(blocking_calls, "FILES_S", 1.0)
    monkeypatch.setattr(blocking_calls, "PATIENCE_S", 0.1)
    dead, answers = set[Path](), threading.Event()
    lock_state = Attempt.lock_state

    def hang(attempt: Attempt) -> object:
        if attempt.path in dead:
            answers.wait()
        return lock_state(attempt)

    monkeypatch.setattr(Attempt, "lock_state", hang)
    target = await bench.target()
    hung, fine, killed = launch("exec sleep 600"), launch("echo fine"), launch("exec sleep 600")
    for order in (hung, killed):
        await target.ensure(order)
        await bench.status(order, Status.RUNNING)
    dead.add(bench.folder(hung))
    seen = await bench.until(hung, lambda seen: seen.reason == "Unreadable")
    assert (seen.status, "its file system does not answer" in (seen.message or "")) == ("Running", True)
    await target.ensure(fine)
    assert (await bench.end(fine)).status == Status.SUCCEEDED
    [shim] = bench.shims(killed)
    shim.kill()
    assert (await bench.end(killed)).reason == "SupervisorLost"
    with pytest.raises(TargetUnavailable, match="does not answer"):
        await target.stop(hung)
    begun = time.monotonic()
    await target.close()
    assert time.monotonic() - begun < 5
    answers.set()
    again = await bench.target()
    await again.stop(hung)
    assert (await bench.end(hung)).reason == "Stopped"


def test_a_process_ends_although_a_call_hangs() -> None:
    program = (
        "import asyncio, os, time\n"
        "from submarine_jupyter_server.targets.local.blocking.blocking_threads import Threads, finished\n"
        "r, w = os.pipe()\n"
        "asyncio.run(finished(Threads('x').submit(os.read, r, 1), 0.1))\n"
        "print('over')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], timeout=30, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("over\n", "")


async def test_a_machine_that_was_renamed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its id tells that it is the same; only a supervisor that is silent is taken for one of before the reboot."""
    monkeypatch.setattr("submarine_jupyter_server.targets.local.attempts.attempt_status.SILENCE_S", 2.0)
    first = await bench.target()
    order = launch("exec sleep 600")
    await first.ensure(order)
    await bench.status(order, Status.RUNNING)
    await first.close()
    [shim] = bench.shims(order)
    shim.kill()
    await eventually(lambda: bench.processes(order) == [], "all is gone")
    edit(bench.folder(order) / "started", boot_id="another", hostname="before", machine_id="the same")
    second = await bench.target()
    second._supervision.here["machine_id"] = "the same"
    end = await bench.end(order)
    assert (end.reason, end.message) == ("HostRebooted", "before was restarted while it ran")


async def test_a_stop_of_what_ran_on_another_machine_ends_its_record(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "SILENCE_S", 0.5)
    monkeypatch.setattr(settling, "PATIENCE_S", 0.5)
    first = await bench.target()
    order = launch("exec sleep 600")
    await first.ensure(order)
    await bench.status(order, Status.RUNNING)
    await first.close()
    [shim] = bench.shims(order)
    shim.kill()
    edit(bench.folder(order) / "started", boot_id="another", hostname="far-away", machine_id="another")
    second = await bench.target(grace_s=0.1)
    await bench.until(order, lambda seen: seen.reason == "UnknownHere")
    await second.stop(order)
    end = await bench.end(order)
    assert (end.reason, end.message) == (
        "Stopped",
        "it was stopped; it was started on far-away, which reports nothing",
    )


def test_silence_counts_only_while_we_watch(tmp_path: Path) -> None:
    """This process may have been stopped itself, together with everything else."""
    attempt = AttemptRun(launch("true"), Attempt(tmp_path / "runs/x/1"))
    (tmp_path / "runs/x/1").mkdir(parents=True)
    attempt.feel(pulse(attempt.folder), 0.0)
    attempt.feel(pulse(attempt.folder), 3600.0)
    assert attempt.silent_s < attempt_status.SILENCE_S
