"""1,000 experiments, 16 POSTs at a time, until all have succeeded."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable

from tests.benchmarks.kubernetes import objects, raw
from tests.benchmarks.kubernetes.rig import Rig, TargetServer
from tests.benchmarks.probed import loop_row
from tests.benchmarks.table import Row

COUNT = 1000
AT_ONCE = 16
PATIENCE_S = 240
JOBS = "/apis/batch/v1/namespaces/{}/jobs"


def run(rig: Rig) -> list[Row]:
    """Measure ours and what the control plane needs for the same Jobs, made and watched with bare aiohttp."""
    namespace, kubeconfig = rig.namespace()
    with rig.server(namespace, kubeconfig) as server:
        before = server.loop().rss
        used = server.cpu_s
        posted, took = asyncio.run(_ours(server))
        used = server.cpu_s - used
        loop = server.loop()
        statuses = _statuses(server)
        made = asyncio.run(_made(rig, namespace))
    bare_posted, bare = asyncio.run(_bare(rig))
    lost = COUNT - statuses["Succeeded"]
    doubled = sum(count > 1 for count in made.values()) + max(len(made) - COUNT, 0)
    peer = f"{took / bare:.2f} x the same Jobs bare ({bare:.0f} s, {bare_posted:.0f} s to POST)"
    each = f"{used / COUNT * 1000:.1f} ms of processor time each"
    return [
        Row("all succeeded (all posted)", f"{took:.0f} s ({posted:.0f} s)", "", f"{peer}; {each}"),
        Row("lost, doubled", f"{lost}, {doubled}", "0, 0"),
        Row("memory growth", f"{(loop.rss - before) / 1e6:.0f} MB"),
        loop_row(loop, "meanwhile"),
    ]


async def _ours(server: TargetServer) -> tuple[float, float]:
    """Return the seconds until all were posted and until the last was seen to have ended."""
    ended: set[str] = set()
    over = asyncio.Event()
    body = objects.program(objects.ENDS)
    async with raw.ours(server.url) as session:

        async def listen() -> None:
            async with session.get(f"{server.url}/events") as events:
                async for line in events.content:
                    if line.startswith(b"data:") and (found := json.loads(line[5:]))["status"] in (
                        "Succeeded",
                        "Failed",
                    ):
                        ended.add(found["experimentId"])
                        if len(ended) == COUNT:
                            over.set()

        async def post(_: int) -> None:
            await raw.call(session, "POST", "/api/v1/experiment", json=body)

        listening = asyncio.create_task(listen())
        begin = time.monotonic()
        await _spread(post)
        posted = time.monotonic() - begin
        try:
            async with asyncio.timeout(PATIENCE_S):
                await over.wait()
        except TimeoutError:
            pass  # the rows say how many are missing
        listening.cancel()
        return posted, time.monotonic() - begin


async def _spread(work: Callable[[int], Awaitable[None]]) -> None:
    numbers = iter(range(COUNT))

    async def take() -> None:
        for number in numbers:
            await work(number)

    await asyncio.gather(*(take() for _ in range(AT_ONCE)))


def _statuses(server: TargetServer) -> Counter[str]:
    found = server.result("GET", params={"limit": COUNT})
    return Counter(item["status"] for item in found)


async def _made(rig: Rig, namespace: str) -> Counter[str]:
    async with raw.cluster(rig.cluster.kubeconfig) as api:
        jobs = await raw.call(api, "GET", JOBS.format(namespace))
    return Counter(job["metadata"]["labels"]["submarine.apache.org/experiment-id"] for job in jobs["items"])


async def _bare(rig: Rig) -> tuple[float, float]:
    namespace, kubeconfig = rig.namespace()
    path = JOBS.format(namespace)
    made = [
        objects.objects(objects.program(objects.ENDS), "indexed_jobs", namespace, number)[0] for number in range(COUNT)
    ]
    done: set[str] = set()
    async with raw.cluster(kubeconfig) as api:

        async def post(number: int) -> None:
            await raw.call(api, "POST", path, params=raw.STRICT, json=made[number])

        async def watch() -> None:
            async with api.get(path, params={"watch": "1"}) as changes:
                async for line in changes.content:
                    item = json.loads(line)["object"]
                    conditions = item.get("status", {}).get("conditions") or []
                    if any(one["type"] == "Complete" for one in conditions):
                        done.add(item["metadata"]["name"])
                        if len(done) == COUNT:
                            return

        watching = asyncio.create_task(watch())
        begin = time.monotonic()
        await _spread(post)
        posted = time.monotonic() - begin
        async with asyncio.timeout(PATIENCE_S):
            await watching
        return posted, time.monotonic() - begin
