"""What somebody took our labels from is there all the same: it is observed, stopped and deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from submarine_jupyter.models import Status
from submarine_jupyter_server.targets.kubernetes.orders import end as endings
from submarine_jupyter_server.targets.kubernetes.reporting import disappearance
from submarine_jupyter_server.targets.kubernetes.watch import hidden_pods
from submarine_jupyter_server.targets.protocol import ReplicaState
from tests.targets.kubernetes.fault_server import FaultServer, error
from tests.targets.kubernetes.small_cluster import ID, PODS, TFJOBS, Attached, SmallCluster, attached, ended, launch

POD = f"{ID}-worker-0"
DONE = {"exitCode": 0, "finishedAt": "2026-11-28T00:00:00Z"}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hidden_pods, "POLL_S", 0.05)
    monkeypatch.setattr(disappearance, "APART_S", 0.1)
    monkeypatch.setattr(endings, "GONE_S", 0.5)


@asynccontextmanager
async def running(cluster: SmallCluster, folder: Path) -> AsyncIterator[Attached]:
    """Have one experiment run."""
    async with attached(cluster, folder) as made:
        await made.ready()
        await made.target.ensure(launch())
        cluster.pod(launch())
        await made.until(lambda: made.last and made.last.status == Status.RUNNING)
        yield made


def worker(made: Attached) -> ReplicaState:
    assert made.last is not None
    return made.last.replicas[0]


async def test_a_pod_without_our_labels_runs_on_and_ends(tmp_path: Path) -> None:
    async with FaultServer() as server:
        cluster = SmallCluster(server)
        async with running(cluster, tmp_path) as made:
            cluster.hide(PODS, POD)
            await made.until(lambda: any(one.path == f"{PODS}/{POD}" for one in server.requests))
            assert {one.replicas[0].status for one in made.observations if one.status == Status.RUNNING} == {"Running"}
            item = cluster.get(PODS, POD)
            state = [{"name": "tensorflow", "state": {"terminated": DONE}, "restartCount": 0}]
            item["status"] = {"phase": "Succeeded", "containerStatuses": state}
            await made.until(lambda: worker(made).status == "Succeeded")
            cluster.status(TFJOBS, ID, ended())
            await made.until(lambda: made.last and made.last.status == Status.SUCCEEDED)
            assert worker(made).restarts == 0


async def test_a_pod_that_is_gone_is_taken_for_gone(tmp_path: Path) -> None:
    """Removed by force, a stream says of it what it says of one without labels."""
    async with FaultServer() as server:
        cluster = SmallCluster(server)
        async with running(cluster, tmp_path) as made:
            cluster.drop(PODS, POD)
            await made.until(lambda: worker(made).status == "Waiting")


async def test_a_hidden_pod_is_found_after_a_restart(tmp_path: Path) -> None:
    async with FaultServer() as server:
        cluster = SmallCluster(server)
        async with running(cluster, tmp_path):
            pass
        cluster.hide(PODS, POD)
        async with attached(cluster, tmp_path) as made:
            await made.until(lambda: made.last and worker(made).status == "Running")


@pytest.mark.parametrize("restarted", [False, True])
async def test_labels_of_an_own_object_are_put_back(tmp_path: Path, restarted: bool) -> None:
    async with FaultServer() as server:
        cluster = SmallCluster(server)
        async with running(cluster, tmp_path) as made:
            cluster.hide(TFJOBS, ID)
            if not restarted:
                await made.until(lambda: cluster.get(TFJOBS, ID)["metadata"]["labels"])
                await finished(made)
        if restarted:
            async with attached(cluster, tmp_path) as made:
                await made.until(lambda: cluster.get(TFJOBS, ID)["metadata"]["labels"])
                await finished(made)


async def finished(made: Attached) -> None:
    made.cluster.pod(launch(), terminated=DONE)
    made.cluster.status(TFJOBS, ID, ended())
    await made.until(lambda: made.last and made.last.status.final)
    assert made.last is not None
    assert (made.last.status, made.last.reason) == (Status.SUCCEEDED, None)


@pytest.mark.parametrize("stopping", [True, False])
@pytest.mark.parametrize("restarted", [True, False])
async def test_what_is_hidden_and_may_not_be_labelled_is_ended(tmp_path: Path, stopping: bool, restarted: bool) -> None:
    async with FaultServer() as server:
        cluster = SmallCluster(server)
        refused = error(403, "Forbidden", 'admission webhook "x" denied the request: no')
        async with running(cluster, tmp_path) as made:
            cluster.rule = lambda request: refused if request.method == "PATCH" else None
            cluster.hide(TFJOBS, ID)
            if not restarted:
                await end(made, stopping)
        if restarted:
            async with attached(cluster, tmp_path) as made:
                await made.ready()
                await end(made, stopping)
        assert cluster.names(TFJOBS) == cluster.names(PODS) == []


async def end(made: Attached, stopping: bool) -> None:
    if stopping:
        await made.target.stop(launch())
        assert made.last is not None
        assert made.last.reason == "Stopped"
    else:
        await made.target.delete(ID, launch().uid)
