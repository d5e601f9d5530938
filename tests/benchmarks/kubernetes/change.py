"""A change of a pod on the cluster until a client of GET events sees it."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from typing import Any

import aiohttp

from tests.benchmarks.kubernetes import objects, raw
from tests.benchmarks.kubernetes.rig import Rig, TargetServer
from tests.benchmarks.table import Row, percentile

ROUNDS = 100
PAUSE_S = 0.05
# A container that has failed once, waits and runs again: both change the reason.
FAILED = {"terminated": {"exitCode": 1, "reason": "Error", "finishedAt": "2026-01-01T00:00:00Z"}}
STATES: list[dict[str, Any]] = [
    {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}},
    {"running": {"startedAt": "2026-01-01T00:00:10Z"}},
]


def run(rig: Rig) -> list[Row]:
    """Measure from before the PATCH of the pod's status; the peer is a watch of that pod with bare aiohttp."""
    namespace, kubeconfig = rig.namespace()
    with rig.server(namespace, kubeconfig) as server:
        experiment = server.submit(objects.program(objects.STAYS))
        server.status(experiment, "Running")
        ours, theirs = asyncio.run(_measure(rig, server, experiment))
    mine, other = statistics.median(ours), statistics.median(theirs)
    peer = f"watch {other:.1f} / {percentile(theirs, 0.99):.0f} ms: + {mine - other:.1f} ms"
    return [Row(f"p50 / p99 of {ROUNDS}", f"{mine:.1f} / {percentile(ours, 0.99):.0f} ms", "20 / 100 ms", peer)]


async def _measure(rig: Rig, server: TargetServer, experiment: str) -> tuple[list[float], list[float]]:
    ours: list[float] = []
    theirs: list[float] = []
    async with raw.cluster(rig.cluster.kubeconfig) as api, raw.ours(server.url) as mine:
        path = f"/api/v1/namespaces/{server.namespace}/pods"
        selector = f"submarine.apache.org/experiment-id={experiment}"
        listed = await raw.call(api, "GET", path, params={"labelSelector": selector})
        pod = listed["items"][0]
        version = listed["metadata"]["resourceVersion"]
        watch = {"watch": "1", "labelSelector": selector, "resourceVersion": version}
        async with api.get(path, params=watch) as changes, mine.get(f"{server.url}/events") as events:
            await _line(events, lambda line: line.startswith(b":"))
            for number in range(ROUNDS):
                state = STATES[number % 2]
                container = pod["status"]["containerStatuses"][0] | {"restartCount": 1, "lastState": FAILED}
                status = {"containerStatuses": [container | {"state": state}]}
                begin = time.perf_counter()
                seen = asyncio.gather(
                    _line(changes, lambda line, state=state: _state(line) == state.keys()),
                    _line(events, lambda line: line.startswith(b"data:")),
                )
                await _patch(api, f"{path}/{pod['metadata']['name']}/status", {"status": status})
                raw_at, our_at = await seen
                theirs.append((raw_at - begin) * 1000)
                ours.append((our_at - begin) * 1000)
                await asyncio.sleep(PAUSE_S)
    return ours, theirs


async def _line(answer: aiohttp.ClientResponse, holds: Any) -> float:
    """Return when the line came for which something holds."""
    async with asyncio.timeout(30):
        while not holds(await answer.content.readline()):
            pass
    return time.perf_counter()


def _state(line: bytes) -> object:
    found = json.loads(line)["object"]["status"].get("containerStatuses") or [{}]
    return found[0].get("state", {}).keys()


async def _patch(api: aiohttp.ClientSession, path: str, body: dict[str, Any]) -> None:
    headers = {"Content-Type": "application/merge-patch+json"}
    await raw.call(api, "PATCH", path, data=json.dumps(body), headers=headers)
