"""The logs of real containers, by way of a real kubelet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tornado.ioloop import IOLoop

from submarine_jupyter_server.targets.kubernetes.api.cluster import Cluster as Connection
from submarine_jupyter_server.targets.kubernetes.logs.pod_logs import PodLogs
from tests.cluster.cluster import Cluster
from tests.targets.kubernetes.logs.conftest import LogOf, content
from tests.targets.kubernetes.logs.pods import EXPERIMENT
from tests.targets.kubernetes.logs.real import Cutting, Pods, manifest

pytestmark = pytest.mark.timeout(300)
NewPods = Callable[..., Pods]

ODD = """
import sys
write = sys.stdout.buffer.write
write(b"plain\\n\\n\\xff\\xfe\\x00 nul\\n50%\\r60%\\r.\\n indented\\n")
write(b"x" * 16383 + b"\\n" + b"y" * 16384 + b"\\n" + b"z" * 70_000 + b"\\n")
write(b"2023-11-14T22:13:20.000000000Z no stamp\\nno newline at the end")
"""
ODD_BYTES = (
    b"plain\n\n\xff\xfe\x00 nul\n50%\r60%\r.\n indented\n"
    + b"".join(letter * count + b"\n" for letter, count in ((b"x", 16383), (b"y", 16384), (b"z", 70_000)))
    + b"2023-11-14T22:13:20.000000000Z no stamp\nno newline at the end"
)
RESTARTING = """
import os, sys
count = len(os.listdir("/kept"))
open(f"/kept/{count}", "w").close()
for number in range(1000):
    print(f"run {count} line {number}")
sys.exit(count < 2)
"""
LASTING = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("goodbye"), sys.exit(0)))
for number in range(100_000):
    print(f"line {number}")
    time.sleep(0.01)
"""
BOTH = """
import os, threading, time
def write(fd, name):
    for number in range(20_000):
        os.write(fd, b"%s %d\\n" % (name, number))
        if number % 100 == 0:
            time.sleep(0.01)
threads = [threading.Thread(target=write, args=item) for item in ((1, b"out"), (2, b"err"))]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""
# 200,000 lines in some seconds, twice as much as a kubelet keeps in one file.
MANY = """
import time
for number in range(200_000):
    print(f"line {number} " + "." * 90)
    if number % 1000 == 0:
        time.sleep(0.08)
"""


@pytest.fixture
def connection(io_loop: IOLoop, cluster: Cluster) -> Iterator[Connection]:
    found: Connection = io_loop.run_sync(lambda: Connection.connect(kubeconfig=str(cluster.kubeconfig)))
    yield found
    io_loop.run_sync(found.close)


@pytest.fixture
def new_pods(io_loop: IOLoop, connection: Connection, real_namespace: str, tmp_path: Path) -> Iterator[NewPods]:
    made: list[PodLogs] = []

    def new(cluster: Any = None) -> Pods:
        made.append(PodLogs(cluster or connection, tmp_path, cap_bytes=10**9, mode="eager"))
        return Pods(connection, real_namespace, made[-1])

    yield new
    for logs in made:
        io_loop.run_sync(logs.close)


@pytest.fixture
def image(cluster: Cluster) -> str:
    return cluster.image or ""


@pytest.fixture(autouse=True)
def patient(impatient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()


async def finish(logs: PodLogs) -> None:
    assert await logs.drain(EXPERIMENT, 1, 60)
    await logs.finish(EXPERIMENT, 1)
    assert await logs.drain(EXPERIMENT, 1, 60)


async def test_any_bytes_and_long_lines(new_pods: NewPods, image: str, log_of: LogOf) -> None:
    pods = new_pods()
    await pods.create(manifest(0, image, ODD))
    await pods.ended()
    await finish(pods.logs)
    assert content(log_of()) == ODD_BYTES
    assert log_of().ended


async def test_a_container_that_is_restarted(new_pods: NewPods, image: str, log_of: LogOf) -> None:
    pods = new_pods()
    await pods.create(manifest(0, image, RESTARTING, restart="OnFailure"))
    await pods.ended()
    await finish(pods.logs)
    lines = content(log_of()).decode().splitlines()
    assert lines == [f"run {run} line {number}" for run in range(3) for number in range(1000)]
    assert pods.logs.health()["gaps"] == 0


async def test_runs_that_a_kubelet_has_removed_are_a_gap(
    new_pods: NewPods, image: str, log_of: LogOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    pods = new_pods()
    monkeypatch.setattr(PodLogs, "put_pod", lambda *_: None)
    await pods.create(manifest(0, image, RESTARTING, restart="OnFailure"))
    await pods.ended()
    monkeypatch.undo()
    for view in pods.views.values():
        pods.logs.put_pod(view, 1)
    await finish(pods.logs)
    lines = content(log_of()).decode().splitlines()
    # It keeps one container that has ended, so of a pod that has ended nothing but the last run.
    assert lines == ["<gap>run 2 line 0", *(f"run 2 line {number}" for number in range(1, 1000))]


async def test_a_pod_that_is_deleted_while_it_runs(new_pods: NewPods, image: str, log_of: LogOf) -> None:
    pods = new_pods()
    await pods.create(manifest(0, image, LASTING))
    await pods.until(lambda _: log_of().end > 1000)
    await pods.delete(0)
    await pods.until(lambda views: not views)
    await finish(pods.logs)
    *lines, last = content(log_of()).decode().splitlines()
    assert lines == [f"line {number}" for number in range(len(lines))]
    assert last == "goodbye"
    assert pods.logs.health()["gaps"] == 0


async def test_servers_after_one_another(new_pods: NewPods, image: str, log_of: LogOf) -> None:
    pods = new_pods()
    await pods.create(manifest(0, image, LASTING))
    for _ in range(4):
        size = log_of().end
        await pods.until(lambda _, size=size: log_of().end > size)  # type: ignore[misc]
        await pods.logs.close()
        pods = new_pods()
    await pods.until(lambda views: views)
    assert await pods.logs.drain(EXPERIMENT, 1, 60)
    await pods.delete(0)
    await pods.until(lambda views: not views)
    await finish(pods.logs)
    *lines, last = content(log_of()).decode().splitlines()
    assert lines == [f"line {number}" for number in range(len(lines))]
    assert last == "goodbye"


async def test_both_outputs_at_once_and_connections_that_break(
    new_pods: NewPods, connection: Connection, image: str, log_of: LogOf
) -> None:
    cutting = Cutting(connection, 0.3)
    pods = new_pods(cutting)
    await pods.create(manifest(0, image, BOTH))
    await pods.ended()
    await finish(pods.logs)
    lines = content(log_of()).splitlines()
    for name in (b"out", b"err"):
        assert [line for line in lines if line.startswith(name)] == [b"%s %d" % (name, i) for i in range(20_000)]
    assert len(lines) == 40_000
    assert cutting.cuts > 0


async def test_many_lines_with_the_connection_cut_every_second(
    new_pods: NewPods, connection: Connection, image: str, log_of: LogOf
) -> None:
    """The kubelet may rotate the log in a moment without a connection: then, and only then, there is a gap."""
    pods = new_pods(Cutting(connection, 1.0))
    await pods.create(manifest(0, image, MANY))
    await pods.ended()
    await finish(pods.logs)
    *torn, last = content(log_of()).split(b"<gap>")
    # Before a gap a line may be torn.
    whole = [line for piece in torn for line in piece[: piece.rfind(b"\n") + 1].splitlines()] + last.splitlines()
    numbers = [int(line.split()[1]) for line in whole if line]
    assert numbers == sorted(set(numbers))
    missing = 200_000 - len(numbers)
    assert (missing == 0) or pods.logs.health()["gaps"] > 0
    assert numbers[-1] == 199_999
