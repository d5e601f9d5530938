"""What waits for a server that is silent says so, once."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from tornado.ioloop import IOLoop

from submarine_jupyter_server.config import ServiceConfig
from submarine_jupyter_server.control.silence import REASON, Silence
from submarine_jupyter_server.opening.wiring import Service
from submarine_jupyter_server.store.sqlite.database import SqliteDatabase
from submarine_jupyter_server.targets.local.target import LocalTarget
from tests.services.conftest import Client, experiment


@pytest.fixture
def follower(config: ServiceConfig, io_loop: IOLoop) -> Iterator[Client]:
    """A service that gives no orders."""

    async def make() -> Service:
        db = await SqliteDatabase.open(config.data_dir / "submarine.db")
        return Service(config, db, {"local": LocalTarget.from_config(config)})

    service: Service = io_loop.run_sync(make)
    yield Client(service)
    io_loop.run_sync(service.close)


async def test_each_order_that_waits_has_the_reason_once(follower: Client) -> None:
    silence = Silence(follower.service.db)
    made = [(await follower.create(experiment("true")))["experimentId"] for _ in range(2)]
    for _ in range(3):
        silence.report("the server with pid 7", time.time() - 15)
        for name in made:
            found = await follower.until(name, lambda found: found["detail"]["reason"] == REASON)
            assert "waiting for the server with pid 7" in found["detail"]["message"]
            assert [event["type"] for event in found["detail"]["events"]] == ["accepted", "reason"]
    later = (await follower.create(experiment("true")))["experimentId"]
    assert (await follower.get(later))["detail"]["reason"] is None
    silence.report("the server with pid 7", time.time() - 20)
    await follower.until(later, lambda found: found["detail"]["reason"] == REASON)
    silence.close()
