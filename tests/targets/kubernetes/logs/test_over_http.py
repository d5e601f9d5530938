"""Followers over HTTP, from a server that breaks every connection."""

from __future__ import annotations

from pathlib import Path

from submarine_jupyter_server.targets.kubernetes.api.cluster import Cluster
from submarine_jupyter_server.targets.kubernetes.logs.pod_logs import PodLogs
from tests.targets.kubernetes.fault_server import Exchange, FaultServer, error, stall
from tests.targets.kubernetes.logs.conftest import LogOf, content, until
from tests.targets.kubernetes.logs.pods import EXPERIMENT, Pod

PATH = f"/api/v1/namespaces/ns/pods/{EXPERIMENT}-worker-0/log"
LINES = 8_000
CUT_BYTES = 120_000


async def test_every_connection_breaks(tmp_path: Path, log_of: LogOf) -> None:
    pod = Pod("uid-1")
    pod.start()
    pod.write(*(b"line %d \xff" % number for number in range(LINES)))

    async def breaking(exchange: Exchange) -> None:
        answer = pod.runs[0].read(exchange.request.query.get("sinceTime"))
        for start in range(0, CUT_BYTES, 16_384):
            await exchange.send(answer[start : start + 16_384])
        if len(answer) <= CUT_BYTES:
            await stall(exchange)
        exchange.cut()

    async with FaultServer() as server:
        server.on("GET", PATH, breaking)
        server.once("GET", PATH, error(500, "InternalError"), error(429, "TooManyRequests", retry_after=1))
        cluster = await Cluster.connect(kubeconfig=server.kubeconfig(tmp_path))
        logs = PodLogs(cluster, tmp_path, cap_bytes=10**9, mode="eager")
        try:
            logs.put_pod(pod.view, pod.attempt)
            await until(lambda: log_of().end == len(pod.content), 60)
            assert content(log_of()) == pod.content
            assert logs.health()["reconnects"] > 1
            assert logs.health()["gaps"] == 0
            assert all(request.query["container"] == "tensorflow" for request in server.requests)
        finally:
            await logs.close()
            await cluster.close()
