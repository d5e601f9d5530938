"""POST and GET while the logs of 300 pods are followed, each with a line a second."""

from __future__ import annotations

import asyncio
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from submarine_jupyter_server.targets.kubernetes.api.paths import collection_of
from tests.benchmarks.kubernetes import objects, raw
from tests.benchmarks.kubernetes.rig import Rig, TargetServer
from tests.benchmarks.probed import loop_row
from tests.benchmarks.table import Row, percentile
from tests.cluster.api import wait

EXPERIMENTS = 30
WORKERS = 10
ROUNDS = 60
PAUSE_S = 0.05
Times = dict[str, list[float]]


def run(rig: Rig) -> list[Row]:
    """Measure with and without; the peer, a bare POST of the same Job, tells what the control plane makes of it."""
    rig.silence()
    namespace, kubeconfig = rig.namespace()
    with rig.server(namespace, kubeconfig) as server:
        idle = asyncio.run(_measure(server, 0))
        for _ in range(EXPERIMENTS):
            server.submit(objects.program(objects.STAYS, WORKERS))
        followed = EXPERIMENTS * WORKERS
        wait("the followers", lambda: server.target()["health"]["logs"]["following"] >= followed, seconds=120)
        server.loop()
        with _talking(rig):
            busy = asyncio.run(_measure(server, ROUNDS))
        loop = server.loop()
    rig.silence()
    rows = []
    for what in ("POST", "GET"):
        ratio = _ratio(busy[what], idle[what])
        peer = f"{ratio} x idle ({_both(idle[what])}); bare POST {_ratio(busy['bare'], idle['bare'])} x"
        rows.append(Row(f"{what}: p50 / p99", _both(busy[what]), "2 x idle", peer))
    return [*rows, loop_row(loop, "following")]


async def _measure(server: TargetServer, first: int) -> Times:
    found: Times = {"POST": [], "GET": [], "bare": []}
    body = objects.program(objects.ENDS)
    async with raw.ours(server.url) as mine, raw.cluster(server.kubeconfig) as api:

        async def timed(what: str, session: object, method: str, path: str, **options: object) -> raw.Json:
            begin = time.perf_counter()
            answer = await raw.call(session, method, path, **options)  # type: ignore[arg-type]
            found[what].append((time.perf_counter() - begin) * 1000)
            await asyncio.sleep(PAUSE_S)
            return answer

        for number in range(first, first + ROUNDS):
            made = await timed("POST", mine, "POST", "/api/v1/experiment", json=body)
            await timed("GET", mine, "GET", f"/api/v1/experiment/{made['result']['experimentId']}")
            bare = objects.objects(body, "indexed_jobs", server.namespace, number)[0]
            await timed("bare", api, "POST", collection_of(bare), params=raw.STRICT, json=bare)
    return found


@contextmanager
def _talking(rig: Rig) -> Iterator[None]:
    """Have every container write a line a second."""
    over = threading.Event()

    def talk() -> None:
        while not over.wait(1):
            rig.cluster.say("a line of a program that trains, without any metrics in it")

    thread = threading.Thread(target=talk)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _ratio(busy: list[float], idle: list[float]) -> str:
    pairs = (
        (statistics.median(busy), statistics.median(idle)),
        (percentile(busy, 0.99), percentile(idle, 0.99)),
    )
    return " / ".join(f"{one / other:.1f}" for one, other in pairs)


def _both(values: list[float]) -> str:
    return f"{statistics.median(values):.1f} / {percentile(values, 0.99):.0f} ms"
