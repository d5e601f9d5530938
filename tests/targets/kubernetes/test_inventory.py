"""What a target says of all it has: never that something is not there when it only was not seen."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from submarine_jupyter import backoff
from submarine_jupyter.errors import TargetUnavailable, Unavailable
from submarine_jupyter.models import Status
from submarine_jupyter_server.targets.kubernetes.orders import end
from submarine_jupyter_server.targets.kubernetes.reporting import disappearance
from submarine_jupyter_server.targets.protocol import Found, Observation
from tests.targets.kubernetes.fault_server import FaultServer, Request, Script, error, stall
from tests.targets.kubernetes.small_cluster import (
    ID,
    JOBSETS,
    PODS,
    TFJOBS,
    Attached,
    SmallCluster,
    attached,
    ended,
    launch,
)

NS = frozenset({"ns"})


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disappearance, "APART_S", 0.1)
    monkeypatch.setattr(end, "GONE_S", 0.1)
    monkeypatch.setattr(backoff, "SHORTEST_S", 0.01)
    monkeypatch.setattr(backoff, "LONGEST_S", 0.05)


async def running(made: Attached) -> None:
    await made.target.ensure(launch())
    made.cluster.pod(launch())
    await made.until(lambda: made.last and made.last.status == Status.RUNNING)


async def found(made: Attached) -> Found | None:
    inventory = await made.target.inventory()
    return next(iter(inventory.found), None)


async def test_what_has_vanished_is_unknown_until_the_loss_is_told(tmp_path: Path) -> None:
    asked = asyncio.Event()

    def rule(request: Request) -> Script | None:
        if request.method == "GET" and request.path == f"{TFJOBS}/{ID}":
            asked.set()
            return error(503, "Unavailable")
        return None

    async with FaultServer() as server, attached(SmallCluster(server), tmp_path) as made:
        await made.ready()
        await running(made)
        made.cluster.rule = rule
        made.cluster.drop(TFJOBS, ID)
        await asyncio.wait_for(asked.wait(), 10)
        inventory = await made.target.inventory()
        assert (inventory.found, inventory.unknown) == ((), frozenset({ID}))
        assert made.last is not None
        assert made.last.status == Status.RUNNING
        made.cluster.rule = lambda request: None
        await made.until(lambda: made.last and made.last.reason == "ExternallyDeleted")
        assert (await made.target.inventory()).unknown == frozenset()


async def test_a_loss_that_cannot_be_stored_is_told_again(tmp_path: Path) -> None:
    full = [True, True]

    async def sink(observation: Observation) -> None:
        if observation.status.final and full:
            full.pop()
            raise Unavailable("the disk is full")

    async with FaultServer() as server, attached(SmallCluster(server), tmp_path) as made:
        await made.ready()
        await running(made)
        made.sink = sink
        made.cluster.drop(TFJOBS, ID)
        await made.until(lambda: made.last and made.last.reason == "ExternallyDeleted")
        assert not full


@pytest.mark.parametrize("collection", [PODS, TFJOBS, JOBSETS])
async def test_nothing_is_said_of_a_namespace_while_one_of_its_streams_fails(tmp_path: Path, collection: str) -> None:
    async with FaultServer() as server, attached(SmallCluster(server), tmp_path) as made:
        await made.ready()
        assert (await made.target.inventory()).namespaces == NS
        made.cluster.rule = lambda request: error(500, "Internal") if request.path == collection else None
        server.drop()
        await made.until(lambda: not made.target._connector.connection().watches.whole)
        assert (await made.target.inventory()).namespaces == frozenset()
        made.cluster.rule = lambda request: None
        await made.until(lambda: made.target._connector.connection().watches.whole == NS)
        assert (await made.target.inventory()).namespaces == NS


async def test_nothing_is_said_while_a_kind_may_not_be_listed(tmp_path: Path) -> None:
    """After a restart nobody knows whether there was something of it."""
    async with FaultServer() as server:
        cluster = SmallCluster(server)
        async with attached(cluster, tmp_path) as made:
            await made.ready()
            await running(made)
        cluster.denied = {("list", "tfjobs"), ("watch", "tfjobs")}
        async with attached(cluster, tmp_path) as made:
            await made.ready()
            inventory = await made.target.inventory()
            assert (inventory.found, inventory.namespaces) == ((), frozenset())
            cluster.denied.clear()
            assert await made.target._connector._find_kinds(made.target._connector.connection())
            await made.until(lambda: made.target._connector.connection().watches.whole == NS)
            assert await found(made)


async def test_what_can_be_listed_is_followed_though_nothing_new_becomes_it(tmp_path: Path) -> None:
    async with FaultServer() as server:
        cluster = SmallCluster(server)
        async with attached(cluster, tmp_path) as made:
            await made.ready()
            await running(made)
        cluster.denied = {("create", "tfjobs")}
        async with attached(cluster, tmp_path, kinds=("jobset",)) as made:
            await made.ready()
            item = await found(made)
            assert item is not None
            assert item.experiment_id == ID
            await made.target.ensure(launch(experiment_id="experiment-1647574374688-0003", uid="other"))
            assert cluster.names(JOBSETS) == ["experiment-1647574374688-0003"]


async def test_an_end_is_not_reported_before_it_is_told(tmp_path: Path) -> None:
    """Its last lines are read first; whoever asks meanwhile hears why, and that it has not ended yet."""
    held = asyncio.Event()

    async def sink(observation: Observation) -> None:
        if observation.status.final:
            await held.wait()

    async with FaultServer() as server, attached(SmallCluster(server), tmp_path) as made:
        await made.ready()
        await running(made)
        made.sink = sink
        made.cluster.status(TFJOBS, ID, ended("Failed"))
        await made.until(lambda: made.target._connector.experiments[ID].own.conditions)  # type: ignore[union-attr]
        item = await found(made)
        assert item is not None
        assert item.observation is not None
        assert (item.observation.status, item.observation.finished_ms) == (Status.RUNNING, None)
        assert item.observation.reason is not None
        held.set()
        await made.until(lambda: made.last and made.last.status == Status.FAILED)
        item = await found(made)
        assert item is not None
        assert item.observation is not None
        assert item.observation == made.last


async def test_what_ended_while_nobody_looked_ends_with_its_logs(tmp_path: Path) -> None:
    """A restarted server hears of the job before it hears of the pods: it waits for these."""
    async with FaultServer() as server:
        cluster = SmallCluster(server)
        async with attached(cluster, tmp_path) as made:
            await made.ready()
            await running(made)
        name = cluster.pod(launch(), terminated={"exitCode": 0, "finishedAt": "2026-11-28T00:00:00Z"})
        cluster.status(TFJOBS, ID, ended())
        cluster.rule = lambda request: stall if request.path == PODS else None
        async with attached(cluster, tmp_path) as made:
            await made.until(lambda: ID in made.target._connector.experiments)
            await asyncio.sleep(0.1)
            assert made.observations == []
            cluster.rule = lambda request: None
            server.drop()
            await made.until(lambda: made.last and made.last.status == Status.SUCCEEDED)
            [read] = [one for one in server.requests if one.path == f"{PODS}/{name}/log"]
            assert read.query["container"] == "tensorflow"


async def test_a_kind_that_cannot_be_listed_stops_no_other(tmp_path: Path) -> None:
    """As with a broken conversion webhook: others run, and nothing is made twice in place of what cannot be read."""
    other = "experiment-1647574374688-0003"
    async with FaultServer() as server:
        cluster = SmallCluster(server)
        async with attached(cluster, tmp_path) as made:
            await made.ready()
            await running(made)
        broken = error(500, "Internal", "conversion webhook for kubeflow.org/v1, Kind=TFJob failed")
        cluster.rule = lambda request: broken if request.path == TFJOBS and request.method == "GET" else None
        async with attached(cluster, tmp_path) as made:
            await made.ready()
            health = made.target.health()
            assert health["ok"] is False
            # What is new becomes something else.
            await made.target.ensure(launch(experiment_id=other, uid="other"))
            assert cluster.names(JOBSETS) == [other]
            # What is there as a TFJob is found by its name: not made again, and it can be stopped.
            await made.target.ensure(launch())
            assert cluster.names(JOBSETS) == [other]
            assert (await made.target.inventory()).namespaces == frozenset()
            with pytest.raises(TargetUnavailable, match="its objects are being removed"):
                await made.target.stop(launch())
            assert cluster.names(TFJOBS) == []
            await made.target.stop(launch())
            assert made.last is not None
            assert made.last.reason == "Stopped"


async def test_a_delete_finds_what_no_stream_tells_of(tmp_path: Path) -> None:
    async with FaultServer() as server:
        cluster = SmallCluster(server)
        async with attached(cluster, tmp_path) as made:
            await made.ready()
            await running(made)
        cluster.rule = lambda request: error(500, "Internal") if request.path == TFJOBS else None
        async with attached(cluster, tmp_path) as made:
            await made.ready()
            await made.target.delete(ID, launch().uid)
            assert cluster.names(TFJOBS) == []


async def test_a_namespace_whose_pods_cannot_be_read_is_named(tmp_path: Path) -> None:
    async with FaultServer() as server:
        cluster = SmallCluster(server)
        cluster.rule = lambda request: error(500, "Internal", "etcd is slow") if request.path == PODS else None
        async with attached(cluster, tmp_path) as made:
            await made.until(lambda: "etcd is slow" in str(made.target.health()["trouble"]))
            with pytest.raises(Unavailable, match="etcd is slow"):
                await made.target.ensure(launch())
            cluster.rule = lambda request: None
            await made.ready()
            await made.target.ensure(launch())
