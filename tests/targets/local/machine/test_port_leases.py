"""A leased port belongs to its replica, from before its start until its end."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import resource
import socket
import sys
from pathlib import Path

import pytest

from submarine_jupyter.errors import InvalidSpec, TargetUnavailable
from submarine_jupyter.models import Status
from submarine_jupyter_server.targets.local.machine import port_leases
from submarine_jupyter_server.targets.local.machine.port_leases import FIRST, LAST, PortLeases
from submarine_jupyter_server.targets.local.target import LocalTarget
from tests.targets.local.bench import Bench, eventually, launch

LISTEN = """
import os, socket, time
server = socket.socket(%s)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
server.bind(("%s", int(os.environ["MASTER_PORT"])))
server.listen()
print("ready", flush=True)
server.accept()[0].sendall(b"hello")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's rules for SO_REUSEADDR")
@pytest.mark.parametrize(("family", "host"), [("socket.AF_INET", "127.0.0.1"), ("socket.AF_INET6", "::")])
async def test_nobody_else_gets_the_port(bench: Bench, family: str, host: str) -> None:
    target = await bench.target()
    code = {"syncMode": "inline", "files": {"serve.py": LISTEN % (family, host)}}
    command = "while ! test -e ../go; do sleep 0.02; done; exec python serve.py"
    order = launch(command, framework="PyTorch", tasks={"Worker": {"resources": "cpu=100m"}}, code=code)
    await target.ensure(order)
    await bench.status(order, Status.RUNNING)
    plan = json.loads((bench.folder(order) / "plan.json").read_text())
    [port] = plan["replicas"][0]["ports"]
    assert FIRST <= port <= LAST
    with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
        stranger.bind(("127.0.0.1", port))
    (bench.workspace(order) / "go").touch()
    await eventually(lambda: bench.log(order) == b"ready\n", "the replica listens")
    with socket.create_connection(("127.0.0.1", port)) as client:
        assert client.recv(5) == b"hello"
    assert (await bench.end(order)).status == Status.SUCCEEDED
    await eventually(lambda: can_bind(port), "the port is free again")


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's rules for SO_REUSEADDR")
async def test_a_tracker_that_reuses_no_address_can_listen(bench: Bench) -> None:
    target = await bench.target()
    listen = 'import os, socket; socket.socket().bind(("127.0.0.1", int(os.environ["MASTER_PORT"]))); print("bound")'
    code = {"syncMode": "inline", "files": {"serve.py": listen}}
    tasks = {"Master": {"resources": "cpu=100m"}}
    order = launch('python -I -S "$CODE_PATH/serve.py"', framework="XGBoost", tasks=tasks, code=code)
    await target.ensure(order)
    await bench.status(order, Status.SUCCEEDED)


def can_bind(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen()
        except OSError:
            return False
        return True


def test_no_port_is_lent_twice() -> None:
    leases = PortLeases()
    first = leases.lease("a", 50)
    leases.held_elsewhere("a")
    second = leases.lease("b", 50)
    assert not set(first) & set(second)
    leases.close()


def test_a_port_in_use_is_not_lent(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setattr(port_leases, "_candidates", lambda: [taken.getsockname()[1]])
        with pytest.raises(TargetUnavailable, match="no 1 free ports"):
            PortLeases().lease("a", 1)


def test_two_servers_lend_different_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port_leases, "_candidates", lambda: list(range(FIRST, FIRST + 100)))
    first, second = PortLeases(), PortLeases()
    lent = first.lease("a", 40)
    assert not set(lent) & set(second.lease("b", 40))
    with pytest.raises(TargetUnavailable, match="no 40 free ports"):
        second.lease("c", 40)
    first.close()
    second.close()


def open_sockets() -> int:
    """Return how many sockets this process has open."""
    found = 0
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="counts the descriptors in /proc")
@pytest.mark.parametrize("refused", [errno.EMFILE, errno.ENOMEM])
def test_what_was_taken_is_given_back_wherever_it_fails(monkeypatch: pytest.MonkeyPatch, refused: int) -> None:
    """At each of the acquisitions in turn, be it a new socket or the port for it."""
    real, leases, before, calls = socket.socket, PortLeases(), open_sockets(), 0

    class Failing(real):  # type: ignore[misc, valid-type]
        def __init__(self, *args: int) -> None:
            fail()
            super().__init__(*args)

        def bind(self, address: object) -> None:
            fail()
            super().bind(address)

    def fail() -> None:
        nonlocal calls
        calls += 1
        if calls == last:
            raise OSError(refused, os.strerror(refused))

    monkeypatch.setattr(socket, "socket", Failing)
    for last in range(1, 4 * 5 + 1):
        calls = 0
        with pytest.raises(OSError, match=os.strerror(refused)):
            leases.lease("a", 5)
        assert open_sockets() == before, last
        assert leases._leases == {}
    last = 0
    assert len(leases.lease("a", 5)) == 5
    leases.close()


@pytest.mark.skipif(sys.platform != "linux", reason="counts the descriptors in /proc")
def test_the_server_keeps_descriptors_for_itself() -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    used, leases = len(os.listdir("/proc/self/fd")), PortLeases()
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + port_leases.RESERVED_FILES + 20, limits[1]))
    try:
        with pytest.raises(TargetUnavailable, match="are kept for itself"):
            leases.lease("a", 30)
        assert len(leases.lease("a", 10)) == 10
        with pytest.raises(TargetUnavailable, match="are kept for itself"):
            leases.lease("b", 15)
    finally:
        leases.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_what_fails_after_the_lease_gives_the_ports_back() -> None:
    leases = PortLeases()
    leases.lease("a", 2)

    def fail() -> None:
        leases.lease("a", 3)
        raise OSError("no plan")

    with pytest.raises(OSError, match="no plan"), leases.kept_only_if_done("a"):
        fail()
    assert len(leases._leases["a"]) == 2
    leases.close()


@pytest.mark.parametrize(
    ("limits", "problem"),
    [((512, 512), "600 replicas need a port"), ((1024, 1024), "more than the 240 that one supervisor has files for")],
)
def test_more_replicas_than_files_are_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], problem: str
) -> None:
    monkeypatch.setattr("submarine_jupyter_server.targets.local.machine.limits.file_limits", lambda: limits)
    tasks = {"Worker": {"replicas": 600, "resources": "cpu=1m"}}
    with pytest.raises(InvalidSpec, match=problem):
        LocalTarget(tmp_path, cpus=4).check(launch("true", framework="TensorFlow", tasks=tasks).spec)
