"""A reflector at work on a server of a test, and the small objects that server has."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from submarine_jupyter_server.targets.kubernetes.api.cluster import Cluster
from submarine_jupyter_server.targets.kubernetes.watch.cluster_heartbeat import ClusterHeartbeat
from submarine_jupyter_server.targets.kubernetes.watch.reflector import Reflector
from tests.targets.kubernetes.fault_server import FaultServer

PODS = "/api/v1/namespaces/ns/pods"
Json = dict[str, Any]
Change = tuple[str, "View | None", "View | None"]


@dataclass(frozen=True, slots=True)
class View:
    """What the tests keep of an object."""

    name: str
    uid: str
    value: int


def view(item: Json) -> View:
    return View(item["metadata"]["name"], item["metadata"]["uid"], int(item["value"]))


def thing(name: str, version: int, value: int = 0, uid: str | None = None) -> Json:
    return {"metadata": {"name": name, "uid": uid or f"u-{name}", "resourceVersion": str(version)}, "value": value}


def event(kind: str, name: str, version: int, value: int = 0, uid: str | None = None) -> Json:
    return {"type": kind, "object": thing(name, version, value, uid)}


def bookmark(version: int, *, end: bool = False) -> Json:
    found: Json = {"resourceVersion": str(version)}
    if end:
        found["annotations"] = {"k8s.io/initial-events-end": "true"}
    return {"type": "BOOKMARK", "object": {"metadata": found}}


def added(*names: str, version: int = 1) -> list[Json]:
    """Return the initial state of a stream with these objects, value 0."""
    return [*(event("ADDED", name, version) for name in names), bookmark(version, end=True)]


def replayed(told: list[Change]) -> dict[str, View]:
    """Return what the changes add up to; each one has to begin where the one before it ended."""
    found: dict[str, View] = {}
    for name, old, new in told:
        assert found.get(name) == old
        assert old != new
        if new is None:
            del found[name]
        else:
            found[name] = new
    return found


@dataclass
class Followed:
    """A reflector that runs, and what it told."""

    server: FaultServer
    reflector: Reflector[View]
    heartbeat: ClusterHeartbeat
    told: list[Change] = field(default_factory=list)

    async def values(self, **wanted: int) -> None:
        """Wait until the cache has exactly these objects with these values."""
        await self.server.until(lambda: {one.name: one.value for one in self.reflector.cache.values()} == wanted)
        assert replayed(self.told) == dict(self.reflector.cache)

    async def requests(self, number: int) -> None:
        """Wait until so many requests have come for the collection."""
        await self.server.until(lambda: len(self.server.to(PODS)) >= number)


@asynccontextmanager
async def following(server: FaultServer, folder: Path, **options: Any) -> AsyncIterator[Followed]:
    """Follow the pods of a server while the block runs; ``beat=True`` with its heartbeat."""
    cluster = await Cluster.connect(kubeconfig=server.kubeconfig(folder, token=options.pop("token", "secret")))
    heartbeat = ClusterHeartbeat(cluster, watchful=options.pop("watchful", lambda: True))
    told: list[Change] = []
    given = heartbeat if options.pop("beat", False) else None
    settings: dict[str, Any] = {"project": view, "name": "pods", "heartbeat": given} | options
    reflector: Reflector[View] = Reflector(
        cluster, PODS, changed=lambda name, old, new: told.append((name, old, new)), **settings
    )
    tasks = [asyncio.create_task(reflector.run())] + ([asyncio.create_task(heartbeat.run())] if given else [])
    try:
        yield Followed(server, reflector, heartbeat, told)
        assert not any(task.done() for task in tasks), "it gave up"
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await cluster.close()
