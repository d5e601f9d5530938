"""What an order brings about, or leaves as it is, whatever the cluster answers and when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from submarine_jupyter.errors import TargetRefused, TargetUnavailable
from submarine_jupyter.models import CodeSpec, Status
from submarine_jupyter_server.targets.kubernetes.orders import end
from tests.targets.kubernetes.fault_server import FaultServer, Request, Script, cut, error, executed_but
from tests.targets.kubernetes.small_cluster import (
    ID,
    JOBS,
    PODS,
    TFJOBS,
    Attached,
    SmallCluster,
    attached,
    ended,
    launch,
)

Made = Callable[..., AbstractAsyncContextManager[Attached]]
ADMISSION = 'admission webhook "night.example.com" denied the request: come back tomorrow'
LATE = 'Internal error occurred: failed calling webhook "night.example.com": Post: context deadline exceeded'


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(end, "GONE_S", 0.1)


@asynccontextmanager
async def working(folder: Path, **options: Any) -> AsyncIterator[Attached]:
    """A small cluster, and a target that is ready."""
    async with FaultServer() as server, attached(SmallCluster(server), folder, **options) as made:
        await made.ready()
        yield made


async def running(made: Attached) -> None:
    """Have one experiment run."""
    await made.target.ensure(launch())
    made.cluster.pod(launch())
    await made.until(lambda: made.last and made.last.status == Status.RUNNING)


def on(method: str, path: str, script: Script) -> Callable[[Request], Script | None]:
    """Return a rule for one kind of request."""
    return lambda request: script if request.method == method and request.path.startswith(path) else None


async def test_what_was_just_made_does_not_seem_to_have_vanished(tmp_path: Path) -> None:
    """The answer to its creation is enough: nobody asks the database or the cluster what became of it."""
    for kinds in (("tfjob",), ("indexed_jobs",)):
        async with working(tmp_path, kinds=kinds) as made:
            for collection in (TFJOBS, JOBS):
                made.cluster.silence(collection, ID)
                made.cluster.silence(collection, f"{ID}-worker")
            await made.target.ensure(launch(workers=2))
            await made.until(lambda: made.last)
            assert made.target.recalled == []
            assert [one for one in made.cluster.server.requests if one.method == "GET" and ID in one.path] == []


async def test_a_stop_that_is_refused_leaves_the_run_as_it_is(tmp_path: Path) -> None:
    """Whatever says no: the experiment goes on, is observed to its end, and the same order works later."""
    for refusal in (error(403, "Forbidden", ADMISSION), error(422, "Invalid", ADMISSION), error(400, "Bad", ADMISSION)):
        async with working(tmp_path) as made:
            await running(made)
            made.cluster.rule = on("DELETE", TFJOBS, refusal)
            for order in (made.target.stop(launch()), made.target.delete(ID, launch().uid)):
                with pytest.raises(TargetRefused, match=f"the TFJob {ID} goes on: .*come back tomorrow") as refused:
                    await order
                assert refused.value.reason == "Denied"
            assert made.last is not None
            assert made.last.status == Status.RUNNING
            found = (await made.target.inventory()).found[0]
            assert not found.deleted
            assert found.observation is not None
            assert found.observation.status == Status.RUNNING
            made.cluster.pod(launch(), terminated={"exitCode": 0, "finishedAt": "2026-11-28T00:00:00Z"})
            await made.until(lambda: made.last and made.last.replicas[0].status == "Succeeded")
            made.cluster.rule = lambda request: None
            await made.target.stop(launch())
            assert made.last.reason == "Stopped"
            assert made.cluster.names(TFJOBS) == []


@pytest.mark.parametrize("looked", [False, True])
async def test_a_missing_right_is_a_refusal_whenever_it_was_looked_up(tmp_path: Path, looked: bool) -> None:
    async with working(tmp_path) as made:
        await running(made)
        made.cluster.denied |= {("delete", "tfjobs"), ("patch", "tfjobs")}
        if looked:
            made.target.health()
            assert await made.target._connector.lacks_right("this server may not delete tfjobs in namespace ns")
        for order in (made.target.stop(launch()), made.target.delete(ID, launch().uid)):
            with pytest.raises(TargetRefused, match="may not delete tfjobs in namespace ns") as refused:
                await order
            assert refused.value.reason == "NoPermission"
        with pytest.raises(TargetRefused, match="may not patch tfjobs in namespace ns"):
            await made.target.ensure(launch(workers=3, generation=2))
        made.cluster.denied.clear()
        await made.target.ensure(launch(workers=3, generation=2))
        assert made.cluster.get(TFJOBS, ID)["spec"]["tfReplicaSpecs"]["Worker"]["replicas"] == 3
        await made.target.stop(launch(workers=3, generation=2))
        assert made.last is not None
        assert (made.last.status, made.last.reason) == (Status.FAILED, "Stopped")


async def test_a_denial_that_the_cluster_does_not_confirm_is_no_refusal(tmp_path: Path) -> None:
    """A restarted API server grants nothing at first, and then says so of everything."""
    async with working(tmp_path) as made:
        await running(made)
        text = 'User "u" cannot delete resource "tfjobs" in API group "kubeflow.org" in the namespace "ns"'
        made.cluster.rule = on("DELETE", TFJOBS, error(403, "Forbidden", text))
        with pytest.raises(TargetUnavailable, match="may not delete tfjobs"):
            await made.target.stop(launch())
        made.cluster.rule = lambda request: error(403, "Forbidden", text) if request.method == "DELETE" else None
        from submarine_jupyter_server.targets.kubernetes.api.rights import NEEDS

        made.cluster.denied = {(verb, need.resource) for need in NEEDS for verb in need.verbs}
        with pytest.raises(TargetUnavailable):
            await made.target.stop(launch())


async def test_a_stop_whose_answer_is_lost_is_no_loss(tmp_path: Path) -> None:
    async with working(tmp_path) as made:
        await running(made)
        cluster = made.cluster
        rest = cluster.rule
        lost = executed_but(cut, lambda request: cluster.drop(TFJOBS, ID))
        cluster.rule = on("DELETE", TFJOBS, lost)
        with pytest.raises(TargetUnavailable):
            await made.target.stop(launch())
        cluster.rule = rest
        cluster.drop(PODS, f"{ID}-worker-0")
        assert (await made.target.inventory()).unknown == frozenset()
        await made.target.stop(launch())
        assert made.last is not None
        assert (made.last.reason, made.last.attempt) == ("Stopped", 1)


@pytest.mark.parametrize("deleted", [True, False])
async def test_what_was_made_without_an_answer_is_ended_though_its_stream_is_behind(
    tmp_path: Path, deleted: bool
) -> None:
    async with working(tmp_path) as made:
        cluster = made.cluster
        lost = executed_but(cut, lambda request: cluster.put(TFJOBS, request.json))
        behind = {("GET", TFJOBS): error(500, "Internal"), ("POST", TFJOBS): lost}
        cluster.rule = lambda request: behind.get((request.method, request.path))
        cluster.server.drop()
        await made.until(lambda: made.target._connector.connection().watches.trouble())
        with pytest.raises(TargetUnavailable):
            await made.target.ensure(launch())
        assert cluster.names(TFJOBS) == [ID]
        if deleted:
            await made.target.delete(ID, launch().uid)
        else:
            with suppress(TargetUnavailable):  # nor does the stream tell that it is gone
                await made.target.stop(launch())
        assert cluster.names(TFJOBS) == []
        await made.target.stop(launch())
        assert made.last is not None
        assert made.last.reason == "Stopped"


async def test_an_end_is_of_the_attempt_that_was_to_be_stopped(tmp_path: Path) -> None:
    """The newer attempt was ordered, but the stop came before it began."""
    async with working(tmp_path) as made:
        await running(made)
        second = launch(attempt=2, generation=2)
        await made.target.stop(second)
        assert made.last is not None
        assert (made.last.attempt, made.last.status, made.last.reason) == (2, Status.FAILED, "Stopped")
        assert {replica.status for replica in made.last.replicas} == {"Stopped"}
        assert made.cluster.names(TFJOBS) == made.cluster.names(PODS) == []


async def test_a_stop_of_what_is_nowhere_ends_it(tmp_path: Path) -> None:
    async with working(tmp_path) as made:
        await made.target.stop(launch(attempt=4))
        assert made.last is not None
        assert (made.last.attempt, made.last.status, made.last.reason) == (4, Status.FAILED, "Stopped")
        assert made.target._connector.experiments == {}


async def test_what_has_ended_by_itself_was_not_stopped(tmp_path: Path) -> None:
    async with working(tmp_path) as made:
        await running(made)
        made.cluster.rule = on("DELETE", TFJOBS, error(500, "Internal", LATE))
        with pytest.raises(TargetUnavailable):
            await made.target.stop(launch())
        made.cluster.pod(launch(), terminated={"exitCode": 0, "finishedAt": "2026-11-28T00:00:00Z"})
        made.cluster.status(TFJOBS, ID, ended())
        await made.until(lambda: made.target._connector.experiments[ID].own.conditions)  # type: ignore[union-attr]
        await made.target.stop(launch())
        assert made.last is not None
        assert (made.last.status, made.last.reason) == (Status.SUCCEEDED, None)


async def test_a_new_attempt_never_starts_beside_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long ago the end of the old one was ordered, and whatever happened in between."""
    monkeypatch.setattr(end, "LOST_S", 0.0)
    async with working(tmp_path) as made:
        await running(made)
        made.cluster.pods_end = False
        second = launch(attempt=2, generation=2)
        for _ in range(3):
            with pytest.raises(TargetUnavailable, match="being ended: worker-0 on node-1") as late:
                await made.target.ensure(second)
            assert late.value.reason == "Restarting"
        # Its own object goes, its pod stays: as with a node that never answers again.
        made.cluster.drop(TFJOBS, ID)
        await made.until(lambda: made.target._connector.experiments[ID].own is None)
        for _ in range(3):
            with pytest.raises(TargetUnavailable, match="being ended: worker-0 on node-1"):
                await made.target.ensure(second)
        assert made.cluster.names(TFJOBS) == []
        made.cluster.drop(PODS, f"{ID}-worker-0")
        await made.until(lambda: ID not in made.target._connector.experiments)
        await made.target.ensure(second)
        assert made.cluster.names(TFJOBS) == [ID]


async def test_a_stop_on_a_lost_node_says_what_may_still_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(end, "LOST_S", 0.0)
    async with working(tmp_path) as made:
        await running(made)
        made.cluster.pods_end = False
        await made.target.stop(launch())
        assert made.last is not None
        assert made.last.message == (
            "it was stopped, but for worker-0 on node-1: its end was never confirmed, and it may still run there"
        )


async def test_a_new_attempt_may_be_of_another_kind(tmp_path: Path) -> None:
    async with working(tmp_path) as made:
        await running(made)
        made.cluster.pods_end = False
        second = launch("PyTorch", attempt=2, generation=2)
        with pytest.raises(TargetUnavailable):
            await made.target.ensure(second)
        made.cluster.drop(TFJOBS, ID)
        made.cluster.drop(PODS, f"{ID}-worker-0")
        await made.until(lambda: ID not in made.target._connector.experiments)
        await made.target.ensure(second)
        assert made.cluster.names(TFJOBS.replace("tfjobs", "pytorchjobs")) == [ID]


async def test_what_an_experiment_needs_and_is_refused_leaves_nothing_behind(tmp_path: Path) -> None:
    for refusal in (error(403, "Forbidden", ADMISSION), error(422, "Invalid", ADMISSION)):
        async with working(tmp_path) as made:
            made.cluster.rule = on("POST", "/api/v1/namespaces/ns/secrets", refusal)
            secret = launch()
            secret.spec.meta.env_vars = {"API_TOKEN": "canary"}
            with pytest.raises(Exception, match="come back tomorrow"):
                await made.target.ensure(secret)
            assert made.cluster.names(TFJOBS) == []


async def test_a_late_order_for_an_older_attempt_changes_nothing(tmp_path: Path) -> None:
    async with working(tmp_path) as made:
        second = launch(attempt=2, generation=2)
        await made.target.ensure(second)
        before = len(made.cluster.server.requests)
        await made.target.ensure(replace(launch(), generation=1))
        assert not [one for one in made.cluster.server.requests[before:] if one.method != "GET"]


async def test_a_scale_of_what_has_gone_is_tried_again(tmp_path: Path) -> None:
    async with working(tmp_path) as made:
        await running(made)
        made.cluster.rule = on("PATCH", TFJOBS, error(404, "NotFound", "gone"))
        with pytest.raises(TargetUnavailable, match="no longer on the cluster"):
            await made.target.ensure(launch(workers=2, generation=2))


async def test_orders_about_one_experiment_come_one_after_the_other(tmp_path: Path) -> None:
    async with working(tmp_path) as made:
        await running(made)
        await asyncio.gather(made.target.stop(launch()), made.target.delete(ID, launch().uid))
        assert made.cluster.names(TFJOBS) == []


async def test_code_of_empty_files_only_is_made_too(tmp_path: Path) -> None:
    async with working(tmp_path) as made:
        given = launch()
        given.spec.code = CodeSpec(sync_mode="inline", files={"__init__.py": ""})
        report = await made.target.ensure(given)
        [name] = [ref.name for ref in report.objects if ref.kind == "ConfigMap"]
        assert made.cluster.get("/api/v1/namespaces/ns/configmaps", name)["data"] == {"file-0": ""}
