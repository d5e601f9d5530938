"""Nothing of an experiment outlives it."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from submarine_jupyter.models import Status
from tests.targets.local.bench import Bench, eventually, launch

# Forks twice with a session of its own, as daemons do, and does not mind SIGTERM. Its first process ends once it is up:
# from then on it has the grace time, which may be too short for a start on a busy machine.
DAEMON = """
import os, signal, sys, time
up, begun = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        open(sys.argv[1], 'w').write(str(os.getpid()))
        os.write(begun, b'.')
        time.sleep(600)
    os._exit(0)
os.wait()
os.read(up, 1)
"""
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has sub-reapers")


def pid_in(path: Path) -> int:
    return int(path.read_text() or 0) if path.exists() else 0


@linux
async def test_stop_ends_the_whole_tree(bench: Bench, tmp_path: Path) -> None:
    target = await bench.target()
    daemon, pid = tmp_path / "daemon.py", tmp_path / "pid"
    daemon.write_text(DAEMON)
    order = launch(
        f"{sys.executable} {daemon} {pid}; (trap '' TERM; sleep 600; sleep 600) & trap '' TERM; sleep 600; sleep 600"
    )
    await target.ensure(order)
    await eventually(lambda: pid_in(pid) > 0 and len(bench.processes(order)) >= 4, "all run")
    tree = bench.processes(order)
    await target.stop(order)
    end = await bench.end(order)
    assert (end.reason, end.replicas[0].signal) == ("Stopped", "SIGKILL")
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in tree)
    assert not psutil.pid_exists(pid_in(pid))


@linux
@pytest.mark.parametrize("cleared", [False, True], ids=["marked", "environment cleared"])
async def test_a_daemon_does_not_outlive_success(bench: Bench, tmp_path: Path, cleared: bool) -> None:
    target = await bench.target(grace_s=0.3)
    daemon, pid = tmp_path / "daemon.py", tmp_path / "pid"
    daemon.write_text(DAEMON)
    order = launch(f"{'env -i ' if cleared else ''}{sys.executable} {daemon} {pid}; echo ok")
    await target.ensure(order)
    end = await bench.end(order)
    assert end.status == Status.SUCCEEDED
    assert pid_in(pid) > 0
    assert not psutil.pid_exists(pid_in(pid))


@linux
async def test_a_replica_that_ended_leaves_nothing_while_others_run(bench: Bench, tmp_path: Path) -> None:
    target = await bench.target(grace_s=0.3)
    daemon, pid = tmp_path / "daemon.py", tmp_path / "pid"
    daemon.write_text(DAEMON)
    tasks = {"Worker": {"replicas": 2, "resources": "cpu=100m"}}
    order = launch(f"[ $RANK = 1 ] && exec sleep 600; {sys.executable} {daemon} {pid}", tasks=tasks)
    await target.ensure(order)
    await eventually(lambda: pid_in(pid) > 0 and not psutil.pid_exists(pid_in(pid)), "the daemon is gone")
    await eventually(lambda: len(bench.processes(order)) == 1, "one process")
    await target.stop(order)
    await bench.end(order)


@linux
async def test_the_dead_are_reaped(bench: Bench) -> None:
    target = await bench.target()
    order = launch("for i in $(seq 20); do (setsid -f true); done; exec sleep 600")
    await target.ensure(order)
    await bench.status(order, Status.RUNNING)
    [shim] = bench.shims(order)
    await eventually(lambda: len(shim.children()) == 1, "no zombies")
    await target.stop(order)
    await bench.end(order)
