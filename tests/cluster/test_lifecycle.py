"""Runs do not disturb each other, and nothing is left of one that has ended: however it ended."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.cluster import build, cgroups, lifecycle, node_programs
from tests.cluster.cluster import Cluster
from tests.cluster.processes import myself


def interfaces() -> set[str]:
    return set(os.listdir("/sys/class/net")) if sys.platform == "linux" else set()


def mounts(name: str) -> list[str]:
    table = Path("/proc/self/mountinfo")
    return [line for line in table.read_text().splitlines() if name in line] if table.exists() else []


def processes(name: str, pid_namespace: str | None) -> list[str]:
    """Return what runs with the name of the run in its arguments, or in the namespace of its node."""
    found = []
    for process in psutil.process_iter():
        try:
            inside = pid_namespace and os.readlink(f"/proc/{process.pid}/ns/pid") == pid_namespace
            if inside or name in " ".join(process.cmdline()):
                found.append(process.name())
        except (psutil.Error, OSError):
            continue
    return found


@pytest.mark.timeout(300)
def test_nothing_is_left_of_a_second_cluster(own_cluster: Cluster) -> None:
    before = interfaces()
    second = lifecycle.up(build.chosen(), myself(), with_node=node_programs.unavailable() is None)
    run = second.own()
    namespace = None
    try:
        assert own_cluster.api.text("/readyz") == second.api.text("/readyz") == "ok"
        if run.node:
            namespace = os.readlink(f"/proc/{run.processes['node'].pid}/ns/pid")
            assert "containerd" in processes(run.name, namespace)
        assert interfaces() == before
    finally:
        second.api.close()
        lifecycle.down(run)
    assert processes(run.name, namespace) == []
    assert mounts(run.name) == []
    assert interfaces() == before
    assert cgroups.left(run.name) == []
    assert not run.directory.exists()
    assert own_cluster.api.text("/readyz") == "ok"


CRASH = """
import os, signal, sys
from tests.cluster import build, lifecycle
from tests.cluster.processes import myself
print(lifecycle.up(build.chosen(), myself(), with_node=False).own().directory, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.timeout(300)
def test_the_next_session_removes_what_a_killed_one_left(own_cluster: Cluster) -> None:
    crashed = subprocess.run([sys.executable, "-c", CRASH], capture_output=True, text=True, check=False)
    directory = Path(crashed.stdout.strip())
    assert crashed.returncode == -signal.SIGKILL, crashed.stderr
    lifecycle.sweep()  # or that of a session beside this one
    assert processes(directory.name, None) == []
    assert not directory.exists()
    assert own_cluster.api.text("/readyz") == "ok"
