"""A service on an empty data directory, in the process of the test; what it runs is real."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tornado.ioloop import IOLoop

from submarine_jupyter_server.config import ServiceConfig
from submarine_jupyter_server.opening.wiring import Service
from submarine_jupyter_server.services.principal import Principal
from submarine_jupyter_server.store.experiments import Query
from submarine_jupyter_server.wire.answers.experiments import shown_json
from submarine_jupyter_server.wire.queries.logs import log_query
from tests.snapshots import check_remembered, snapshot

ME = Principal("me")


def experiment(cmd: str, *, workers: int = 1, cpu: str = "100m", **more: Any) -> dict[str, Any]:
    """Return the body of a POST."""
    meta = {"name": "x", "framework": "PyTorch", "cmd": cmd, **more.pop("meta", {})}
    return {"meta": meta, "spec": {"Worker": {"replicas": workers, "resources": f"cpu={cpu}"}}, **more}


class Client:
    """Calls a service as the handlers do, and decodes the answers."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.experiments = service.experiments

    async def create(self, body: object, key: str | None = None) -> dict[str, Any]:
        made: dict[str, Any] = json.loads((await self.service.submissions.create(ME, body, key=key)).experiment)
        return made

    async def get(self, experiment_id: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(shown_json(await self.experiments.get(ME, experiment_id, full=True)))
        return found

    async def until(self, experiment_id: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        for _ in range(600):
            found = await self.get(experiment_id)
            if holds(found):
                return found
            await asyncio.sleep(0.05)
        raise AssertionError(found)

    async def ended(self, experiment_id: str) -> dict[str, Any]:
        return await self.until(experiment_id, lambda found: found["status"] in ("Succeeded", "Failed"))

    async def log(self, experiment_id: str, **query: str) -> list[list[str]]:
        wanted = log_query({name: [value] for name, value in query.items()})
        found: Any = (await self.service.logs.page(ME, experiment_id, wanted)).result
        return [pod["podLog"] for pod in found["logContent"]]


@pytest.fixture
def config(tmp_path: Path) -> ServiceConfig:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    return ServiceConfig(data, local_cpus=2, grace_seconds=1, namespaces=("default", "team"))


@pytest.fixture
def client(config: ServiceConfig, io_loop: IOLoop) -> Iterator[Client]:
    service: Service = io_loop.run_sync(lambda: Service.open(config))
    io_loop.run_sync(lambda: snapshot(service._row_feed))
    yield Client(service)
    io_loop.run_sync(lambda: check_remembered(service._row_feed, service.db))
    io_loop.run_sync(lambda: end(service))


async def end(service: Service) -> None:
    """Delete what there is and close the service."""
    for row in (await service.experiments.list(ME, Query())).rows:
        await service.experiments.delete(ME, row.id)
    await service.close()
