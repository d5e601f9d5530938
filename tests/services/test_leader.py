"""What the controller does goes on, whichever part of it fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tornado.ioloop import IOLoop

from submarine_jupyter_server.config import ServiceConfig
from submarine_jupyter_server.control import leader
from submarine_jupyter_server.opening.wiring import Service
from submarine_jupyter_server.process import notices
from submarine_jupyter_server.store.sqlite.database import SqliteDatabase
from submarine_jupyter_server.targets.local.target import LocalTarget
from submarine_jupyter_server.targets.protocol import ComputeTarget, Doubt, Inventory, Made, Recall, Sink
from tests.services.conftest import Client, end, experiment


class Broken(LocalTarget):
    """The local target under another name, of which parts fail until they are mended."""

    fails = ""

    async def start(self, sink: Sink, doubt: Doubt, made: Collection[Made] = (), recall: Recall | None = None) -> None:
        if self.fails == "start":
            raise RuntimeError("the first cause")
        await super().start(sink, doubt, made, recall)

    async def inventory(self, settled: Collection[str] = ()) -> Inventory:
        if self.fails == "inventory":
            raise ValueError("no status of that name")
        return await super().inventory(settled)


@pytest.fixture
def pair(config: ServiceConfig, tmp_path: Path, io_loop: IOLoop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(notices, "MAX_RETRY_S", 1.0)
    broken = Broken(tmp_path / "other", name="broken", cpus=2)

    async def make() -> Service:
        db = await SqliteDatabase.open(config.data_dir / "submarine.db")
        targets: dict[str, ComputeTarget] = {"local": LocalTarget.from_config(config), "broken": broken}
        return Service(replace(config, reconcile_seconds=0.2), db, targets)

    service: Service = io_loop.run_sync(make)
    yield service, broken
    io_loop.run_sync(lambda: end(service))


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(600):
        if holds():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it never held")


async def test_a_target_that_does_not_start_stops_no_other(pair: Any, caplog: pytest.LogCaptureFixture) -> None:
    service, broken = pair
    client = Client(service)
    broken.fails = "start"
    with caplog.at_level(logging.ERROR):
        await service._begin()
        made = await client.create(experiment("true"))
        assert (await client.ended(made["experimentId"]))["status"] == "Succeeded"
        waits = await client.create(experiment("true", runtime={"target": "broken"}))
        found = await client.until(waits["experimentId"], lambda found: found["detail"]["reason"] is not None)
        assert "could not start" in found["detail"]["message"]
        await until(lambda: any("3 times in a row" in notice for notice in service.notices))
    (notice,) = service.notices
    assert notice.startswith("Starting target 'broken' failed")
    assert "RuntimeError: the first cause" in notice
    assert len([record for record in caplog.records if "failed" in record.getMessage()]) == 1
    broken.fails = ""
    assert (await client.ended(waits["experimentId"]))["status"] == "Succeeded"
    assert list(service.notices) == []


async def test_a_comparison_that_fails_stops_no_order_and_is_a_notice(pair: Any) -> None:
    service, broken = pair
    client = Client(service)
    broken.fails = "inventory"
    await service._begin()
    await until(lambda: bool(len(service.notices)))
    assert "ValueError: no status of that name" in next(iter(service.notices))
    for name in ("local", "broken"):
        made = await client.create(experiment("true", runtime={"target": name}))
        assert (await client.ended(made["experimentId"]))["status"] == "Succeeded"
    broken.fails = ""
    await until(lambda: not len(service.notices))


async def test_a_backup_that_fails_stops_no_order_and_is_a_notice(pair: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    service, _ = pair
    monkeypatch.setattr(leader, "FIRST_BACKUP_S", 0.05)
    monkeypatch.setattr(leader, "BACKUP_RETRY_S", 0.05)
    folder = service.config.data_dir / "backups"
    folder.write_text("in the way")
    await service._begin()
    await until(lambda: bool(len(service.notices)))
    assert "Backing up the database failed" in next(iter(service.notices))
    client = Client(service)
    made = await client.create(experiment("true"))
    assert (await client.ended(made["experimentId"]))["status"] == "Succeeded"
    folder.unlink()
    await until(lambda: folder.is_dir() and len(list(folder.glob("*.db"))) == 1)
    await until(lambda: not len(service.notices))
