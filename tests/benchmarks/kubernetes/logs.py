"""200,000 log lines written at once into a pod whose log is followed, until the last has come."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from urllib.parse import urlsplit

from tests.benchmarks.kubernetes import objects, raw
from tests.benchmarks.kubernetes.rig import Rig, TargetServer
from tests.benchmarks.table import Row
from tests.cluster.api import wait
from tests.live_server import TOKEN

LINES = 200_000
# The control plane shares the processors, and equal rounds differ by half: the best of each is compared.
ROUNDS = 5
PATIENCE_S = 120
STAMP = len(b"2026-01-01T00:00:00.000000000Z ")
WORDS = "loss 0.123456 accuracy 0.987654 and some more words of a program that trains"
Measured = tuple[float, float]


def run(rig: Rig) -> list[Row]:
    """Measure ours in turn with a reader that only counts, and kubectl where there is one."""
    namespace, kubeconfig = rig.namespace()
    pod = _pod(rig, namespace)
    found: dict[str, list[Measured]] = {}
    with rig.server(namespace, kubeconfig) as server:
        for _ in range(ROUNDS):
            rig.silence()
            found.setdefault("raw", []).append(_bare(rig, namespace, pod))
            if shutil.which("kubectl"):
                rig.silence()
                found.setdefault("kubectl", []).append(_kubectl(rig, namespace, pod))
            rig.silence()
            archive, client = _ours(rig, server)
            found.setdefault("archive", []).append(archive)
            found.setdefault("client", []).append(client)
    rig.silence()
    return _rows(found)


def _rows(found: dict[str, list[Measured]]) -> list[Row]:
    seconds = {name: min(one[0] for one in rounds) for name, rounds in found.items()}
    each = {name: min(one[1] for one in rounds) / LINES * 1e6 for name, rounds in found.items()}
    theirs = [f"{name} {seconds[name]:.2f} s, {each[name]:.1f} us" for name in ("raw", "kubectl") if name in found]
    best = "kubectl" if "kubectl" in found else "raw"
    rows = [
        Row(
            f"{what}: time, processor time per line",
            f"{seconds[name]:.2f} s, {each[name]:.1f} us",
            goal,
            f"{seconds[name] / seconds[best]:.2f} x {best}; {', '.join(theirs)}",
        )
        for name, what, goal in (
            ("archive", "into the archive", "1.15 x kubectl, 3 us"),
            ("client", "to a client of follow=true, kept as well", ""),
        )
    ]
    return rows if "kubectl" in found else [*rows, Row("kubectl logs -f", "there is no kubectl here")]


def _ours(rig: Rig, server: TargetServer) -> tuple[Measured, Measured]:
    experiment = server.submit(objects.program(objects.STAYS))
    folder = server.data / "runs" / experiment

    def kept() -> int:
        return sum(file.stat().st_size for file in folder.glob("*/logs/worker-0/*.log"))

    text, size, _ = _text()
    _until(lambda: kept() > 0)
    size += kept()
    used, begin = server.cpu_s, time.perf_counter()
    _append(rig, text)
    _until(lambda: kept() >= size)
    archive = (time.perf_counter() - begin, server.cpu_s - used)
    text, _, last = _text()
    with _client(server, experiment, last) as over:
        used, begin = server.cpu_s, time.perf_counter()
        _append(rig, text)
        assert over.wait(PATIENCE_S), "the client has not seen the last line"
        client = (time.perf_counter() - begin, server.cpu_s - used)
    server.result("DELETE", f"/{experiment}")
    wait("its log to be let go", lambda: server.target()["health"]["logs"]["following"] == 0, seconds=60)
    return archive, client


@contextmanager
def _client(server: TargetServer, experiment: str, last: bytes) -> Iterator[threading.Event]:
    """Follow as a client that only looks for the last line."""
    address = urlsplit(server.url)
    over = threading.Event()
    with socket.create_connection((address.hostname or "", address.port or 0)) as connection:
        target = f"{address.path}/logs/{experiment}?follow=true&tail=0"
        head = f"GET {target} HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: token {TOKEN}\r\n\r\n"
        connection.sendall(head.encode())
        thread = threading.Thread(target=_look, args=(connection, last, over), daemon=True)
        thread.start()
        time.sleep(1)
        yield over
        connection.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def _look(connection: socket.socket, last: bytes, over: threading.Event) -> None:
    rest = b""
    while data := connection.recv(1 << 20):
        if last in rest + data:
            over.set()
        rest = data[-len(last) :]


def _bare(rig: Rig, namespace: str, pod: str) -> Measured:
    return asyncio.run(_bare_stream(rig, namespace, pod))


async def _bare_stream(rig: Rig, namespace: str, pod: str) -> Measured:
    text, size, _ = _text()
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
    params = {"follow": "true", "timestamps": "true"}
    async with raw.cluster(rig.cluster.kubeconfig) as api, api.get(path, params=params) as answer:
        await answer.content.readline()
        used, begin, count = time.thread_time(), time.perf_counter(), 0
        await asyncio.to_thread(_append, rig, text)
        while count < size + LINES * STAMP:
            count += len(await answer.content.readany())
        return time.perf_counter() - begin, time.thread_time() - used


def _kubectl(rig: Rig, namespace: str, pod: str) -> Measured:
    text, size, _ = _text()
    command = ["kubectl", "--kubeconfig", str(rig.cluster.kubeconfig), "-n", namespace, "logs", pod]
    with ExitStack() as stack:
        process = stack.enter_context(subprocess.Popen([*command, "--follow", "--timestamps"], stdout=subprocess.PIPE))
        stack.callback(process.kill)
        assert process.stdout is not None
        out = process.stdout.fileno()
        os.read(out, 1 << 20)
        used, begin, count = _processor_s(process.pid), time.perf_counter(), 0
        _append(rig, text)
        while count < size + LINES * STAMP and (data := os.read(out, 1 << 20)):
            count += len(data)
        return time.perf_counter() - begin, _processor_s(process.pid) - used


def _processor_s(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _text() -> tuple[str, int, bytes]:
    """Return lines as a container runtime keeps them, the bytes that a program wrote, and its last line."""
    base = time.time_ns()
    key = secrets.token_hex(4)
    stamps = {second: datetime.fromtimestamp(second, UTC).isoformat()[:19] for second in _seconds(base)}
    lines, size = [], 0
    for number in range(LINES):
        second, ns = divmod(base + number * 1000, 1_000_000_000)
        line = f"{key} step {number:06d} {WORDS}"
        size += len(line) + 1
        lines.append(f"{stamps[second]}.{ns:09d}Z stdout F {line}\n")
    return "".join(lines), size, f"{key} step {LINES - 1:06d}".encode()


def _seconds(base_ns: int) -> range:
    return range(base_ns // 1_000_000_000, (base_ns + LINES * 1000) // 1_000_000_000 + 1)


def _append(rig: Rig, text: str) -> None:
    with rig.cluster.own().path("fake.log").open("a") as log:
        log.write(text)


def _pod(rig: Rig, namespace: str) -> str:
    """Make a pod that nobody but the peers follows."""
    job = objects.objects(objects.program(objects.STAYS), "indexed_jobs", namespace, 1)[0]
    template = job["spec"]["template"]
    path = f"/api/v1/namespaces/{namespace}/pods"
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "peer"}, "spec": template["spec"]}
    rig.cluster.api.create(path, body)
    wait("the peer's pod", lambda: rig.cluster.api.get(f"{path}/peer")["status"]["phase"] == "Running")
    return "peer"


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "the lines have not come"
        time.sleep(0.01)
