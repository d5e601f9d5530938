"""The record of an experiment is signed, stays so, and the cluster may remove it only once its end is stored."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from submarine_jupyter import backoff
from submarine_jupyter.errors import Unavailable
from submarine_jupyter.models import ExperimentSpec, Status
from submarine_jupyter_server.targets.kubernetes.manifests import ClusterOptions
from submarine_jupyter_server.targets.kubernetes.manifests.recognition.metadata import OWNER, SPEC
from submarine_jupyter_server.targets.kubernetes.manifests.recognition.seal import SEAL
from submarine_jupyter_server.targets.kubernetes.orders import record_keeping
from submarine_jupyter_server.targets.kubernetes.state import projection
from submarine_jupyter_server.targets.kubernetes.state.ownership import Signature
from submarine_jupyter_server.targets.protocol import Launch, Observation
from tests.targets.kubernetes.fault_server import FaultServer, Request, error
from tests.targets.kubernetes.small_cluster import ID, KEY, TFJOBS, Attached, SmallCluster, attached, ended, launch


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_keeping, "_LATER_S", 0.05)
    monkeypatch.setattr(backoff, "SHORTEST_S", 0.01)
    monkeypatch.setattr(backoff, "LONGEST_S", 0.05)


def is_signed(cluster: SmallCluster) -> bool:
    return Signature(KEY, "test", "kubernetes").is_on(projection.job(cluster.get(TFJOBS, ID)))


def patches(made: Attached) -> list[Request]:
    return [one for one in made.cluster.server.requests if one.method == "PATCH"]


def expires(cluster: SmallCluster) -> Any:
    return cluster.get(TFJOBS, ID)["spec"]["runPolicy"].get("ttlSecondsAfterFinished")


async def finished(made: Attached) -> None:
    made.cluster.pod(launch(), terminated={"exitCode": 0, "finishedAt": "2026-11-28T00:00:00Z"})
    made.cluster.status(TFJOBS, ID, ended())
    await made.until(lambda: made.last and made.last.status == Status.SUCCEEDED)


async def test_a_record_is_signed_once_and_again_when_somebody_writes_into_it(tmp_path: Path) -> None:
    async with FaultServer() as server, attached(SmallCluster(server), tmp_path) as made:
        await made.ready()
        await made.target.ensure(launch())
        assert not is_signed(made.cluster)
        await made.until(lambda: is_signed(made.cluster))
        await asyncio.sleep(0.2)
        assert len(patches(made)) == 1
        for name, value in ((OWNER, "eve"), (SPEC, "nonsense"), (SEAL, "0" * 64)):
            item = made.cluster.get(TFJOBS, ID)
            notes = {**item["metadata"]["annotations"], name: value}
            made.cluster.put(TFJOBS, {**item, "metadata": {**item["metadata"], "annotations": notes}})
            assert not is_signed(made.cluster)
            await made.until(lambda: is_signed(made.cluster))
            assert made.cluster.get(TFJOBS, ID)["metadata"]["annotations"][OWNER] == "ann"


async def test_a_change_is_signed_with_what_it_changes(tmp_path: Path) -> None:
    async with FaultServer() as server, attached(SmallCluster(server), tmp_path) as made:
        await made.ready()
        await made.target.ensure(launch())
        await made.until(lambda: is_signed(made.cluster))
        await made.target.ensure(launch(workers=3, generation=2))
        assert is_signed(made.cluster)
        await asyncio.sleep(0.2)
        assert len(patches(made)) == 2


async def test_who_may_not_patch_is_asked_less_and_less_and_nothing_else_suffers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FaultServer() as server, attached(SmallCluster(server), tmp_path) as made:
        await made.ready()
        refused = error(403, "Forbidden", "no")
        made.cluster.rule = lambda request: refused if request.method == "PATCH" else None
        await made.target.ensure(launch())
        await made.until(lambda: len(patches(made)) > 2)
        made.cluster.pod(launch())
        await made.until(lambda: made.last and made.last.status == Status.RUNNING)
        made.cluster.rule = lambda request: None
        await made.until(lambda: is_signed(made.cluster))


async def test_what_has_ended_may_be_removed_once_that_is_stored(tmp_path: Path) -> None:
    full = [True]

    async def sink(observation: Observation) -> None:
        if observation.status.final and full:
            full.pop()
            raise Unavailable("the disk is full")

    async with FaultServer() as server, attached(SmallCluster(server), tmp_path) as made:
        await made.ready()
        made.sink = sink
        await made.target.ensure(launch())
        assert expires(made.cluster) is None
        await finished(made)
        assert not full
        await made.until(lambda: expires(made.cluster) == 86_400)
        assert is_signed(made.cluster)


async def test_what_ended_while_no_server_was_there_waits_for_it(tmp_path: Path) -> None:
    """However long that is: nothing removes it before its end is known."""
    async with FaultServer() as server:
        cluster = SmallCluster(server)
        async with attached(cluster, tmp_path) as made:
            await made.ready()
            await made.target.ensure(launch())
        cluster.pod(launch(), terminated={"exitCode": 0, "finishedAt": "2026-11-28T00:00:00Z"})
        cluster.status(TFJOBS, ID, ended())
        assert expires(cluster) is None
        async with attached(cluster, tmp_path) as made:
            await made.until(lambda: made.last and made.last.status == Status.SUCCEEDED)
            await made.until(lambda: expires(cluster) == 86_400)


async def test_a_time_to_live_that_could_not_be_given_is_given_after_a_restart(tmp_path: Path) -> None:
    async with FaultServer() as server:
        cluster = SmallCluster(server)
        async with attached(cluster, tmp_path) as made:
            await made.ready()
            await made.target.ensure(launch())
            cluster.rule = lambda request: error(500, "Internal") if request.method == "PATCH" else None
            await finished(made)
            await made.until(lambda: patches(made))
        assert not cluster.rows[ID].live
        cluster.rule = lambda request: None
        async with attached(cluster, tmp_path) as made:
            await made.until(lambda: expires(cluster) == 86_400)
            assert made.observations == []  # its end is known


@pytest.mark.parametrize(("seconds", "expected"), [(0, 0), (5, 5), (None, None)])
async def test_the_time_to_live_is_that_of_the_experiment_or_of_the_target(
    tmp_path: Path, seconds: int | None, expected: int | None
) -> None:
    async with FaultServer() as server:
        cluster = SmallCluster(server)
        async with attached(cluster, tmp_path, options=ClusterOptions(ttl_after_finished=None)) as made:
            await made.ready()
            body = launch().spec.wire() | ({"runtime": {"ttlAfterFinished": seconds}} if seconds is not None else {})
            of: Launch = launch(spec=ExperimentSpec.parse(body))
            await made.target.ensure(of)
            await finished(made)
            await made.until(lambda: is_signed(cluster) and expires(cluster) == expected)
