"""What vanishes from the streams: there without its labels, ended before it went, or gone."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from submarine_jupyter.models import Status
from submarine_jupyter_server.targets.base import Observation
from submarine_jupyter_server.targets.kubernetes import loss
from tests.targets.kubernetes.fault_server import FaultServer, Request, Script, error
from tests.targets.kubernetes.small_cluster import (
    ID,
    PODS,
    TFJOBS,
    Attached,
    SmallCluster,
    attached,
    ended,
    launch,
)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inspect again without the seconds between."""
    monkeypatch.setattr(loss, "APART_S", 0.1)


async def running(made: Attached) -> None:
    await made.ready()
    await made.target.ensure(launch())
    made.cluster.pod(launch())
    await made.until(lambda: made.last and made.last.status == Status.RUNNING)


@pytest.mark.parametrize("removed", [False, True])
async def test_what_lost_its_labels_for_ever_is_asked_for(tmp_path: Path, removed: bool) -> None:
    """Where labels may not be put back, no stream tells of its end, nor of its removal."""
    async with FaultServer() as server, attached(SmallCluster(server), tmp_path) as made:
        await running(made)
        made.cluster.denied = {("patch", "tfjobs")}
        made.cluster.hide(TFJOBS, ID)
        await server.until(lambda: len(server.to(f"{TFJOBS}/{ID}", "PATCH")) > 1)
        if removed:
            made.cluster.status(TFJOBS, ID, {"startTime": "2026-11-28T00:00:00Z"})
            asked = len(server.to(f"{TFJOBS}/{ID}", "PATCH"))
            await server.until(lambda: len(server.to(f"{TFJOBS}/{ID}", "PATCH")) > asked + 1)
            made.cluster.drop(TFJOBS, ID)
        else:
            made.cluster.status(TFJOBS, ID, ended())
        await made.until(lambda: made.last and made.last.status.final)
        assert made.last is not None
        assert made.last.reason == ("ExternallyDeleted" if removed else None)


async def test_what_had_ended_before_it_went_is_told_so(tmp_path: Path) -> None:
    """Somebody gave it a time to live of no seconds, while this server was busy storing something else."""
    busy, stored = asyncio.Event(), asyncio.Event()

    async def slow(observation: Observation) -> None:
        busy.set()
        await stored.wait()

    async with FaultServer() as server, attached(SmallCluster(server), tmp_path) as made:
        await running(made)
        made.sink = slow
        made.cluster.pod(launch(), node="node-2")
        await busy.wait()
        made.cluster.status(TFJOBS, ID, ended())
        made.cluster.drop(TFJOBS, ID)
        await made.until(lambda: made.target._attachment.experiments[ID].own is None)
        stored.set()
        await made.until(lambda: made.last and made.last.status.final)
        assert made.last is not None
        assert made.last.status == Status.SUCCEEDED


def terminating(request: Request) -> Script | None:
    """Answer as a cluster whose namespace is being deleted."""
    gone = error(403, "Forbidden", "unable to create new content in namespace ns because it is being terminated")
    return gone if request.method == "POST" and request.path.endswith("/configmaps") else None


async def test_a_namespace_is_told_though_soon_nothing_of_it_can_be_read(tmp_path: Path) -> None:
    async with FaultServer() as server, attached(SmallCluster(server), tmp_path) as made:
        await running(made)
        made.cluster.rule = terminating
        made.cluster.drop(TFJOBS, ID)
        await server.until(lambda: bool(server.to("/api/v1/namespaces/ns/configmaps", "POST")))
        made.cluster.denied = {("get", "tfjobs"), ("create", "configmaps")}
        await made.until(lambda: made.last and made.last.status.final)
        assert made.last is not None
        assert made.last.reason == "NamespaceDeleted"


async def test_a_pod_that_its_namespace_took_along_says_so(tmp_path: Path) -> None:
    """The pods of a namespace go first, and what made them may fail for that."""
    async with FaultServer() as server, attached(SmallCluster(server), tmp_path) as made:
        await running(made)
        made.cluster.rule = terminating
        made.cluster.drop(PODS, f"{ID}-worker-0")
        made.cluster.status(TFJOBS, ID, ended("Failed", "TFJobFailed"))
        await made.until(lambda: made.last and made.last.status.final)
        assert made.last is not None
        assert made.last.reason == "NamespaceDeleted"
