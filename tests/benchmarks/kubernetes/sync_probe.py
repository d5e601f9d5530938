"""Read all pods of a namespace in one way, in a process of its own: its time, memory and event loop as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from submarine_jupyter_server.targets.kubernetes.api.cluster import Cluster
from submarine_jupyter_server.targets.kubernetes.manifests.recognition.metadata import MANAGED_BY, MANAGED_BY_LABEL
from submarine_jupyter_server.targets.kubernetes.state import projection
from submarine_jupyter_server.targets.kubernetes.state.views import PodView
from submarine_jupyter_server.targets.kubernetes.watch.reflector import Reflector

TICK_S = 0.001


class Stalls:
    """How long the event loop was held at most: on the clock, and in processor time, which others cannot lengthen."""

    def __init__(self) -> None:
        self.clock = self.processor = 0.0

    async def tick(self) -> None:
        """Measure until cancelled."""
        while True:
            clock, processor = time.perf_counter(), time.thread_time()
            await asyncio.sleep(TICK_S)
            self.clock = max(self.clock, time.perf_counter() - clock - TICK_S)
            self.processor = max(self.processor, time.thread_time() - processor)


async def ours(kubeconfig: str, namespace: str) -> Callable[[], Awaitable[int]]:
    """Connect, and return what reads all pods into our cache."""
    cluster = await Cluster.connect(kubeconfig=kubeconfig)
    await cluster.text("/readyz")
    reflector: Reflector[PodView] = Reflector(
        cluster,
        f"/api/v1/namespaces/{namespace}/pods",
        project=projection.pod,
        changed=lambda name, old, new: None,
        labels=f"{MANAGED_BY_LABEL}={MANAGED_BY}",
        name="pods",
    )

    async def read() -> int:
        task = asyncio.create_task(reflector.run())
        await reflector.wait_synced()
        count = len(reflector.cache)
        task.cancel()
        await asyncio.wait([task])
        await cluster.close()
        return count

    return read


async def bare(kubeconfig: str, namespace: str) -> Callable[[], Awaitable[int]]:
    """Connect, and return what reads the bytes of the list and looks at none of them."""
    from tests.benchmarks.kubernetes import raw

    session = raw.cluster(Path(kubeconfig))
    api = await session.__aenter__()
    async with api.get("/readyz") as answer:
        await answer.read()

    async def read() -> int:
        size = 0
        async with api.get(f"/api/v1/namespaces/{namespace}/pods") as answer:
            async for chunk in answer.content.iter_any():
                size += len(chunk)
        await session.__aexit__(None, None, None)
        return size

    return read


async def models(kubeconfig: str, namespace: str) -> Callable[[], Awaitable[int]]:
    """Connect, and return what reads all pods with the kubernetes package, on the loop as its users do."""
    from kubernetes import client, config

    core = client.CoreV1Api(config.new_client_from_config(kubeconfig))  # type: ignore[no-untyped-call]
    core.list_namespaced_pod(namespace, limit=1)

    async def read() -> int:
        return len(core.list_namespaced_pod(namespace).items)

    return read


WAYS = {"ours": ours, "bare": bare, "models": models}


async def main(way: str, kubeconfig: str, namespace: str) -> None:
    """Measure one way and print it."""
    read = await WAYS[way](kubeconfig, namespace)
    stalls = Stalls()
    ticking = asyncio.create_task(stalls.tick())
    await asyncio.sleep(0.1)
    before, clock, processor = _memory("VmRSS"), time.perf_counter(), time.process_time()
    count = await read()
    took, used = time.perf_counter() - clock, time.process_time() - processor
    await asyncio.sleep(0.01)
    ticking.cancel()
    grown, peak = _memory("VmRSS") - before, _memory("VmHWM") - before
    found = {"count": count, "s": took, "cpu_s": used, "grown": grown, "peak": peak}
    print(json.dumps(found | {"stall_ms": stalls.clock * 1000, "held_ms": stalls.processor * 1000}))


def _memory(name: str) -> float:
    """Return one of the memory figures of this process (MB)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
