"""An operator is uninstalled while experiments wait for it, run, are stopped: nothing hangs, others take its place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from submarine_jupyter.errors import TargetUnavailable
from submarine_jupyter_server.targets.kubernetes.connection import connector
from submarine_jupyter_server.targets.kubernetes.orders import end
from submarine_jupyter_server.targets.kubernetes.reporting import disappearance
from tests.targets.kubernetes.fault_server import FaultServer, Script, error, plain
from tests.targets.kubernetes.small_cluster import ID, JOBSETS, PODS, TFJOBS, Attached, SmallCluster, attached, launch


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(end, "GONE_S", 0.1)
    monkeypatch.setattr(disappearance, "APART_S", 0.05)
    monkeypatch.setattr(connector, "_MISSING_AGE_S", 0.05)
    monkeypatch.setattr(connector, "_KINDS_AGE_S", 0.05)


@asynccontextmanager
async def working(folder: Path) -> AsyncIterator[Attached]:
    async with FaultServer() as server, attached(SmallCluster(server), folder) as made:
        await made.ready()
        yield made


async def again(order: Any) -> None:
    """Give an order until it is done, as the outbox does."""
    async with asyncio.timeout(20):
        while True:
            try:
                await order()
            except TargetUnavailable:
                await asyncio.sleep(0.05)
            else:
                return


def followed(made: Attached) -> bool:
    """Tell whether it is known which TFJobs there are."""
    streams: Any = made.target.health()["streams"]
    return any("tfjobs" in stream["path"] and stream["synced"] for stream in streams)


async def test_what_waits_for_a_kind_that_goes_becomes_another_one(tmp_path: Path) -> None:
    async with working(tmp_path) as made:
        # Its kind is decided, and whether it was made is not known.
        made.cluster.rule = lambda request: error(503, "") if request.method == "POST" else None
        with pytest.raises(TargetUnavailable):
            await made.target.ensure(launch())
        made.cluster.rule = lambda request: None
        made.cluster.remove(TFJOBS)
        await again(lambda: made.target.ensure(launch()))
        assert made.cluster.names(JOBSETS) == [ID]
        # Nothing is in trouble for what is not there any more.
        await made.until(lambda: made.target.health()["ok"] and not followed(made))
        await again(lambda: made.target.delete(ID, launch().uid))
        assert made.cluster.names(JOBSETS) == []
        # An operator that comes again is used.
        made.cluster.removed.clear()
        await made.until(lambda: followed(made) or ask(made))
        await again(lambda: made.target.ensure(launch()))
        assert made.cluster.names(TFJOBS) == [ID]
        await made.until(lambda: made.target.health()["ok"])


def ask(made: Attached) -> bool:
    made.target._connector.refresh_kinds()
    return False


@pytest.mark.parametrize("stopping", [True, False])
async def test_what_was_of_a_kind_that_is_gone_can_be_stopped_and_deleted(tmp_path: Path, stopping: bool) -> None:
    async with working(tmp_path) as made:
        await made.target.ensure(launch())
        made.cluster.pod(launch())
        await made.until(lambda: made.last and made.last.replicas)
        made.cluster.remove(TFJOBS)
        made.cluster.drop(PODS, f"{ID}-worker-0")
        target = made.target
        await again(lambda: target.stop(launch()) if stopping else target.delete(ID, launch().uid))
        if stopping:
            assert made.last is not None
            assert made.last.status.final
        await made.until(lambda: made.target.health()["ok"] and not followed(made))


@pytest.mark.parametrize("script", [plain(404), plain(404, "default backend - 404")])
async def test_who_answers_in_place_of_the_cluster_removes_no_kind(tmp_path: Path, script: Script) -> None:
    async with working(tmp_path) as made:
        made.cluster.rule = lambda request: script if "tfjobs" in request.path else None
        for _ in range(3):
            with pytest.raises(TargetUnavailable):
                await made.target.ensure(launch())
        assert followed(made)
        made.cluster.rule = lambda request: None
        await made.target.ensure(launch())
        assert (made.cluster.names(TFJOBS), made.cluster.names(JOBSETS)) == ([ID], [])
        # Nor when it answers so to everything.
        made.cluster.rule = lambda request: script
        for order in (made.target.stop(launch()), made.target.delete(ID, launch().uid)):
            with pytest.raises(TargetUnavailable):
                await order
        made.cluster.rule = lambda request: None
        assert made.cluster.names(TFJOBS) == [ID]
        assert followed(made)
