"""1,000 POSTs, 50 at a time, each answered once it is on disk."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable

import aiohttp
import psutil

from tests.benchmarks.probed import ProbedServer, loop_row, probed_server
from tests.benchmarks.table import Row, percentile
from tests.live_server import TOKEN, kill_experiments

POSTS, AT_ONCE = 1000, 50
PAUSE_S = 0.02  # between two of Jupyter's own calls
BODY = {
    "meta": {"name": "bench", "framework": "Standalone", "cmd": "sleep 600"},
    # One has the whole machine, the others wait: what is measured is that they are accepted.
    "spec": {"Worker": {"resources": f"cpu={os.cpu_count() or 1}"}},
}


def run() -> list[Row]:
    """Measure submissions, beside answers that store nothing, and Jupyter's own calls meanwhile."""
    with probed_server() as server:
        try:
            return asyncio.run(_run(server))
        finally:
            kill_experiments(server.folder)


async def _run(server: ProbedServer) -> list[Row]:
    headers = {"Authorization": f"token {TOKEN}"}
    connector = aiohttp.TCPConnector(limit=AT_ONCE + 1)
    async with aiohttp.ClientSession(headers=headers, connector=connector) as http:
        status = server.url.replace("/v1/experiment", "/status")

        async def ask(method: str, url: str, expected: int = 200, json: object = None) -> None:
            async with http.request(method, url, json=json) as answer:
                await answer.read()
                assert answer.status == expected, await answer.text()

        await ask("POST", server.url, json=BODY)
        plain = await _per_second(lambda: ask("GET", f"{server.url}/ping"))
        server.loop()
        waits: list[float] = []
        before = _processor_s(server.pid)
        others = asyncio.create_task(_timed(lambda: ask("GET", status), waits))
        ours = await _per_second(lambda: ask("POST", server.url, json=BODY))
        others.cancel()
        spent = (_processor_s(server.pid) - before) / POSTS * 1000
        loop = server.loop()
    own = f"p50 {percentile(waits, 0.5):.0f} ms, p99 {percentile(waits, 0.99):.0f} ms"
    return [
        Row("accepted", f"{ours:.0f} a second", ">= 200", f"ping: {plain:.0f} a second"),
        Row("processor time of the server for each", f"{spent:.1f} ms"),
        Row("Jupyter's own calls meanwhile", own, "p99 <= 50 ms", f"{len(waits)} calls"),
        loop_row(loop, "submitting"),
    ]


async def _per_second(call: Callable[[], Awaitable[None]]) -> float:
    """Make all calls, so many at a time; return how many there were in a second."""
    numbers = iter(range(POSTS))

    async def worker() -> None:
        for _ in numbers:
            await call()

    begin = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    return POSTS / (time.perf_counter() - begin)


def _processor_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


async def _timed(call: Callable[[], Awaitable[None]], waits: list[float]) -> None:
    """Make a call again and again, and note how long each took (ms)."""
    while True:
        begin = time.perf_counter()
        await call()
        waits.append((time.perf_counter() - begin) * 1000)
        await asyncio.sleep(PAUSE_S)
