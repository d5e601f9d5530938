"""What vanishes from the streams: there without its labels, ended before it went, or gone."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from submarine_jupyter.models import CodeSpec, Status
from submarine_jupyter_server.targets.kubernetes.reporting import disappearance
from submarine_jupyter_server.targets.protocol import Launch, Observation
from tests.targets.kubernetes.fault_server import FaultServer, Request, Script, error
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


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inspect again without the seconds between."""
    monkeypatch.setattr(disappearance, "APART_S", 0.1)


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
        await made.until(lambda: made.target._connector.experiments[ID].own is None)
        stored.set()
        await made.until(lambda: made.last and made.last.status.final)
        assert made.last is not None
        assert made.last.status == Status.SUCCEEDED


@pytest.mark.parametrize("soon", [True, False])
async def test_what_goes_while_a_stop_is_ordered_is_not_lost(tmp_path: Path, soon: bool) -> None:
    """A stop that was refused may have been carried out: it is given again, and reports the end."""
    async with FaultServer() as server, attached(SmallCluster(server), tmp_path) as made:
        await running(made)
        row, asked = made.cluster.rows[ID], f"{TFJOBS}/{ID}"

        def ordered(request: Request) -> Script | None:
            row.stopping |= soon or len(server.to(asked, "GET")) > 1
            return None

        row.stopping, made.cluster.rule = soon, ordered
        disappearances = made.target._connector.connection().disappearances
        made.cluster.drop(TFJOBS, ID)
        made.cluster.drop(PODS, f"{ID}-worker-0")
        await made.until(lambda: made.target._connector.experiments[ID].empty)
        await made.until(lambda: not disappearances._tasks)
        assert row.stopping
        assert made.last is not None
        assert made.last.status == Status.RUNNING
        await made.target.stop(launch())
        assert made.last.reason == "Stopped"


@pytest.mark.parametrize("allowed", [True, False])
async def test_a_delete_after_a_loss_removes_what_was_made_and_nothing_else(tmp_path: Path, allowed: bool) -> None:
    """Somebody deleted the own object but for what it owns, and made another one that bears the same token."""
    async with FaultServer() as server, attached(SmallCluster(server), tmp_path) as made:
        await made.ready()
        own, *owned = (await made.target.ensure(with_code())).objects
        assert {ref.kind for ref in owned} == {"ConfigMap"}
        copy = json.loads(json.dumps(made.cluster.get(JOBS, own.name)))
        made.cluster.drop(JOBS, own.name)
        del copy["metadata"]["uid"]
        made.cluster.put(JOBS, copy)
        await made.until(lambda: made.last and made.last.reason == "Replaced")
        made.target._connector._touched(made.target._connector.experiments[ID])
        assert ID not in made.target._connector.experiments, "it is not forgotten"
        if not allowed:  # nor is anything there that would need the right
            made.cluster.denied = {(verb, kind) for verb in ("get", "delete") for kind in ("jobs", "configmaps")}
        await made.target.delete(ID, launch().uid)
        assert made.cluster.names(JOBS) == [own.name]
        left = made.cluster.names("/api/v1/namespaces/ns/configmaps")
        assert left == ([] if allowed else [ref.name for ref in owned])


def with_code() -> Launch:
    """Return a plain Job with code: its ConfigMap is made beside it."""
    plain = launch("Standalone")
    code = CodeSpec(sync_mode="inline", files={"train.py": "print()"})
    return replace(plain, spec=plain.spec.model_copy(update={"code": code}))


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
