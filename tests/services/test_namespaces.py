"""A cluster for which no namespace is configured has that of its context, on every server of a data directory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tornado.ioloop import IOLoop

from submarine_jupyter_server.config import ServiceConfig
from submarine_jupyter_server.opening.wiring import Service
from tests.services.conftest import ME, Client, end, experiment

# Nobody answers there: what is asked for has to be known without the cluster.
NOWHERE = {"server": "https://127.0.0.1:1"}


@pytest.fixture
def both(config: ServiceConfig, tmp_path: Path, io_loop: IOLoop) -> Iterator[list[Service]]:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        json.dumps(
            {
                "current-context": "mine",
                "contexts": [{"name": "mine", "context": {"cluster": "c", "user": "u", "namespace": "team-a"}}],
                "clusters": [{"name": "c", "cluster": NOWHERE}],
                "users": [{"name": "u", "user": {"token": "t"}}],
            }
        )
    )
    config = replace(config, targets={"far": {"kubeconfig": str(kubeconfig), "image": "image"}})
    services = [io_loop.run_sync(lambda: Service.open(config)) for _ in range(2)]
    yield services
    io_loop.run_sync(services[1].close)
    io_loop.run_sync(lambda: end(services[0]))


@pytest.mark.parametrize("which", [0, 1], ids=["controller", "follower"])
async def test_an_experiment_is_in_the_namespace_of_the_context(both: list[Service], which: int) -> None:
    assert [service._neighbours.leads.is_set() for service in both] == [True, False]
    client = Client(both[which])
    made: dict[str, Any] = await client.create(experiment("true", runtime={"target": "far"}))
    assert made["spec"]["meta"]["namespace"] == "team-a"
    far = next(each for each in await both[which].targets.list(ME, capacity=False) if each["name"] == "far")
    assert far["namespaces"] == ["team-a"]
