"""The copy of a collection on a real API server."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from submarine_jupyter import backoff
from submarine_jupyter_server.targets.kubernetes.api.cluster import Cluster
from submarine_jupyter_server.targets.kubernetes.watch import cluster_heartbeat, collection
from submarine_jupyter_server.targets.kubernetes.watch.cluster_heartbeat import ClusterHeartbeat
from submarine_jupyter_server.targets.kubernetes.watch.reflector import Reflector
from tests.cluster.api import wait
from tests.cluster.cluster import Cluster as RealCluster
from tests.targets.kubernetes.followed import Change, View, replayed

PATIENCE_S = 60.0
LABELS = {"submarine.test/reflector": "yes"}
Json = dict[str, Any]


def view(item: Json) -> View:
    return View(item["metadata"]["name"], item["metadata"]["uid"], int(item["data"]["value"]))


class Real:
    """A reflector on the ConfigMaps of a namespace; ``api`` makes and changes them as somebody else."""

    def __init__(self, real: RealCluster, cluster: Cluster, namespace: str) -> None:
        self.path = f"/api/v1/namespaces/{namespace}/configmaps"
        self.cluster = cluster
        self.heartbeat = ClusterHeartbeat(cluster)
        self.told: list[Change] = []
        self._api = real.api
        self.reflector: Reflector[View] = Reflector(
            cluster,
            self.path,
            project=view,
            changed=lambda name, old, new: self.told.append((name, old, new)),
            labels="submarine.test/reflector=yes",
            name="configmaps",
            heartbeat=self.heartbeat,
        )

    @staticmethod
    def body(name: str, value: int, labels: dict[str, str] = LABELS) -> Json:
        return {"metadata": {"name": name, "labels": labels}, "data": {"value": str(value)}}

    async def create(self, name: str, value: int = 0, **more: Any) -> None:
        await asyncio.to_thread(self._api.create, self.path, self.body(name, value, **more))

    async def update(self, name: str, value: int) -> None:
        await asyncio.to_thread(self._api.patch, f"{self.path}/{name}", {"data": {"value": str(value)}})

    async def delete(self, name: str) -> None:
        await asyncio.to_thread(self._api.delete, f"{self.path}/{name}")

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not holds():  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.02)

    async def values(self, **wanted: int) -> None:
        await self.until(lambda: {one.name: one.value for one in self.reflector.cache.values()} == wanted)
        assert replayed(self.told) == dict(self.reflector.cache)


@asynccontextmanager
async def running(real: RealCluster, namespace: str) -> AsyncIterator[Real]:
    cluster = await Cluster.connect(kubeconfig=str(real.kubeconfig))
    one = Real(real, cluster, namespace)
    tasks = [asyncio.create_task(one.reflector.run()), asyncio.create_task(one.heartbeat.run())]
    try:
        yield one
    finally:
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await cluster.close()


@pytest.mark.parametrize("in_pages", [False, True])
async def test_follows(
    cluster: RealCluster, fake_namespace: str, monkeypatch: pytest.MonkeyPatch, in_pages: bool
) -> None:
    """From a stream that begins with all objects, or from pages."""
    monkeypatch.setattr(collection, "PAGE", 2)
    async with running(cluster, fake_namespace) as one:
        one.reflector._pages = in_pages
        for number, name in enumerate("abcde"):
            await one.create(name, number)
        await one.create("foreign", labels={})
        await one.reflector.wait_synced()
        await one.values(a=0, b=1, c=2, d=3, e=4)
        await one.update("a", 9)
        await one.delete("b")
        await one.create("f", 5)
        await one.values(a=9, c=2, d=3, e=4, f=5)
        assert one.reflector.health.trouble is None


async def test_our_own_writes_are_read_at_once(cluster: RealCluster, fake_namespace: str) -> None:
    """And nothing older comes back, however the answers and the stream race."""
    async with running(cluster, fake_namespace) as one:
        await one.reflector.wait_synced()
        for number in range(20):
            made = await one.cluster.call("POST", one.path, body=one.body("a", number))
            one.reflector.merge(made)
            assert one.reflector.cache["a"].value == number
            await one.cluster.call("DELETE", f"{one.path}/a")
            await one.values()
        await one.create("last")
        await one.values(last=0)
        assert [new.value for name, _, new in one.told if name == "a" and new] == list(range(20))


async def test_idle_it_asks_nothing(cluster: RealCluster, fake_namespace: str) -> None:
    async with running(cluster, fake_namespace) as one:
        await one.create("a")
        await one.values(a=0)
        await asyncio.sleep(3)
        assert one.reflector.health.requests == 1
        assert one.heartbeat.requests == 0


async def test_survives_a_restart_of_the_api_server(
    own_cluster: RealCluster, fake_namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it knew before is no news after, and it is back as soon as the API server is, whatever its pause was."""
    monkeypatch.setattr(cluster_heartbeat, "TICK_S", 0.5)
    monkeypatch.setattr(backoff, "SHORTEST_S", 600.0)
    monkeypatch.setattr(backoff, "LONGEST_S", 600.0)
    async with running(own_cluster, fake_namespace) as one:
        for name in "abc":
            await one.create(name)
        await one.values(a=0, b=0, c=0)
        known = len(one.told)
        await asyncio.to_thread(own_cluster.kill, "kube-apiserver")
        await one.until(lambda: one.reflector.health.trouble is not None and one.heartbeat.away)
        assert set(one.reflector.cache) == {"a", "b", "c"}
        await asyncio.to_thread(own_cluster.start, "kube-apiserver")
        await asyncio.to_thread(wait, "the API server", lambda: own_cluster.api.text("/readyz"))
        monkeypatch.setattr(backoff, "SHORTEST_S", 0.2)
        monkeypatch.setattr(backoff, "LONGEST_S", 1.0)
        await one.update("a", 1)
        await one.delete("b")
        await one.values(a=1, c=0)
        assert sorted({name for name, _, _ in itertools.islice(one.told, known, None)}) == ["a", "b"]
