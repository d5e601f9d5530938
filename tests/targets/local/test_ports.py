"""A leased port belongs to its replica, from before its start until its end."""

from __future__ import annotations

import json
import socket
import sys

import pytest

from submarine_jupyter.errors import TargetUnavailable
from submarine_jupyter.models import Status
from submarine_jupyter_server.targets.local import ports
from submarine_jupyter_server.targets.local.ports import FIRST, LAST, PortLeases
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
        monkeypatch.setattr(ports, "_candidates", lambda: [taken.getsockname()[1]])
        with pytest.raises(TargetUnavailable, match="no 1 free ports"):
            PortLeases().lease("a", 1)


def test_two_servers_lend_different_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_candidates", lambda: list(range(FIRST, FIRST + 100)))
    first, second = PortLeases(), PortLeases()
    lent = first.lease("a", 40)
    assert not set(lent) & set(second.lease("b", 40))
    with pytest.raises(TargetUnavailable, match="no 40 free ports"):
        second.lease("c", 40)
    first.close()
    second.close()
