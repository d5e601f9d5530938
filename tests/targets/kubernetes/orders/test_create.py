"""What has the name that we would give is ours only where nobody else can have made it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from submarine_jupyter.errors import TargetRefused, TargetUnavailable
from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter_server.targets.kubernetes.manifests import ClusterOptions, render
from submarine_jupyter_server.targets.protocol import Launch
from tests.targets.kubernetes.fault_server import FaultServer, Request, Script, cut, error, executed_but
from tests.targets.kubernetes.small_cluster import ID, JOBS, KEY, PODS, TFJOBS, Attached, SmallCluster, attached, launch

SECRETS, CONFIGMAPS = (f"/api/v1/namespaces/ns/{plural}" for plural in ("secrets", "configmaps"))
OPTIONS = ClusterOptions(instance="test", target="kubernetes", key=KEY)
Json = dict[str, Any]


@asynccontextmanager
async def working(folder: Path, **options: Any) -> AsyncIterator[Attached]:
    async with FaultServer() as server, attached(SmallCluster(server), folder, **options) as made:
        await made.ready()
        yield made


def full(**changes: Any) -> Launch:
    """Return a launch that needs a Secret and a ConfigMap."""
    body = launch().spec.wire()
    body["meta"]["envVars"] = {"API_TOKEN": "canary"}
    body["code"] = {"syncMode": "inline", "files": {"train.py": "print(1)"}}
    return replace(launch(spec=ExperimentSpec.parse(body)), **changes)


def objects(of: Launch, kind: str = "tfjob") -> dict[str, Json]:
    """Return what is made of a launch, by its kind."""
    made = render(of, kind=kind, namespace="ns", options=OPTIONS)
    return {item["kind"]: json.loads(json.dumps(item)) for item in made}


@pytest.mark.parametrize("spoil", ["no token", "of another attempt", "of another server", "same uid"])
async def test_an_object_of_our_name_that_somebody_made_is_left_alone(tmp_path: Path, spoil: str) -> None:
    planted = objects(launch())["TFJob"]
    notes = planted["metadata"]["annotations"]
    if spoil == "of another server":
        other = replace(OPTIONS, key=b"another")
        planted = render(launch(), kind="tfjob", namespace="ns", options=other)[0]
    elif spoil == "of another attempt":
        notes["submarine.apache.org/token"] = objects(launch(attempt=2))["TFJob"]["metadata"]["annotations"][
            "submarine.apache.org/token"
        ]
    elif spoil == "same uid":
        notes["submarine.apache.org/token"] = "0" * 64
    else:
        del notes["submarine.apache.org/token"]
    async with working(tmp_path) as made:
        before = made.cluster.put(TFJOBS, planted)["metadata"]["uid"]
        with pytest.raises(TargetRefused, match=f"the TFJob '{ID}' already exists and belongs to something") as refused:
            await made.target.ensure(launch())
        assert refused.value.reason == "NameConflict"
        await made.target.delete(ID, launch().uid)
        assert made.cluster.get(TFJOBS, ID)["metadata"]["uid"] == before
        strangers: Any = made.target.health()["strangers"]
        assert [item["name"] for item in strangers["some"]] == [ID]


@pytest.mark.parametrize("lost", ["tfjobs", "secrets", "configmaps"])
@pytest.mark.parametrize("restarted", [False, True])
async def test_what_was_made_while_the_answer_was_lost_is_found_again(
    tmp_path: Path, lost: str, restarted: bool
) -> None:
    def rule(request: Request) -> Script | None:
        if request.method != "POST" or not request.path.endswith(f"/{lost}"):
            return None
        return executed_but(cut, lambda asked: cluster.put(asked.path, asked.json))

    async with FaultServer() as server:
        cluster = SmallCluster(server)
        async with attached(cluster, tmp_path) as made:
            await made.ready()
            cluster.rule = rule
            with pytest.raises(TargetUnavailable):
                await made.target.ensure(full())
            first = cluster.get(TFJOBS, ID)["metadata"]["uid"]
            cluster.rule = lambda request: None
            if not restarted:
                await made.target.ensure(full())
        if restarted:
            cluster.rows[ID].made = None
            async with attached(cluster, tmp_path) as made:
                await made.ready()
                await made.target.ensure(full())
        assert cluster.get(TFJOBS, ID)["metadata"]["uid"] == first
        assert len(cluster.names(SECRETS)) == len(cluster.names(CONFIGMAPS)) == 1
        kept = cluster.rows[ID].made
        assert kept is not None
        assert [ref.kind for ref in kept.objects] == ["TFJob", "ConfigMap", "Secret"]
        assert {ref.uid for ref in kept.objects} == {
            cluster.get(path, cluster.names(path)[0])["metadata"]["uid"] for path in (TFJOBS, SECRETS, CONFIGMAPS)
        }


async def test_a_secret_that_was_planted_is_made_anew(tmp_path: Path) -> None:
    """It may not be read, and could make our replicas run anything."""
    async with working(tmp_path) as made:
        planted = objects(full())["Secret"]
        name = planted["metadata"]["name"]
        made.cluster.put(SECRETS, {**planted, "stringData": {"API_TOKEN": "theirs"}})
        await made.target.ensure(full())
        assert made.cluster.get(SECRETS, name)["stringData"] == {"API_TOKEN": "canary"}
        owners = made.cluster.get(SECRETS, name)["metadata"]["ownerReferences"]
        assert [owner["uid"] for owner in owners] == [made.cluster.get(TFJOBS, ID)["metadata"]["uid"]]


@pytest.mark.parametrize("owned", [False, True])
async def test_code_that_was_planted_never_runs(tmp_path: Path, owned: bool) -> None:
    async with working(tmp_path) as made:
        planted = objects(full())["ConfigMap"]
        planted["data"] = dict.fromkeys(planted["data"], "print('theirs')")

        def rule(request: Request) -> Script | None:
            if request.method != "POST" or request.path != CONFIGMAPS:
                return None
            uid = made.cluster.get(TFJOBS, ID)["metadata"]["uid"]
            planted["metadata"]["ownerReferences"] = [{"uid": uid}] if owned else []
            made.cluster.put(CONFIGMAPS, planted)
            return error(409, "AlreadyExists", 'configmaps "it" already exists')

        made.cluster.rule = rule
        with pytest.raises(
            TargetRefused, match=r"the ConfigMap .* already exists and belongs to something else"
        ) as refused:
            await made.target.ensure(full())
        assert refused.value.reason == "NameConflict"
        assert made.cluster.names(TFJOBS) == []


async def test_what_is_removed_just_now_is_waited_for(tmp_path: Path) -> None:
    async with working(tmp_path) as made:
        item = objects(launch())["TFJob"]
        item["metadata"]["deletionTimestamp"] = "2026-11-28T00:00:00Z"
        made.cluster.put(TFJOBS, item)
        made.cluster.rule = lambda request: None
        with pytest.raises(TargetUnavailable, match=r"the former TFJob .* is still being removed"):
            await made.target.ensure(launch())


async def test_all_that_was_made_is_kept_and_removed(tmp_path: Path) -> None:
    """Also what somebody took its owner away from."""
    async with working(tmp_path, kinds=("indexed_jobs",)) as made:
        body = full().spec.wire()
        body["spec"]["Ps"] = {"replicas": 1, "resources": "cpu=1"}
        of = replace(full(), spec=ExperimentSpec.parse(body))
        kept = await made.target.ensure(of)
        assert sorted(ref.kind for ref in kept.objects) == ["ConfigMap", "ConfigMap", "Job", "Job", "Secret", "Service"]
        await made.target.delete(ID, of.uid)
        services = "/api/v1/namespaces/ns/services"
        for path in (JOBS, SECRETS, CONFIGMAPS, services):
            assert made.cluster.names(path) == []


async def test_of_plain_jobs_the_leader_owns_the_rest_whoever_is_told_of_first(tmp_path: Path) -> None:
    """All of them bear a token."""
    body = full().spec.wire()
    body["spec"]["Ps"] = {"replicas": 1, "resources": "cpu=1"}
    of = replace(full(), spec=ExperimentSpec.parse(body))
    async with FaultServer() as server:
        cluster = SmallCluster(server)
        async with attached(cluster, tmp_path, kinds=("indexed_jobs",)) as made:
            await made.ready()
            await made.target.ensure(of)
        cluster.rows[ID].made = None
        jobs = cluster._objects[JOBS]
        cluster._objects[JOBS] = dict(sorted(jobs.items()))
        assert next(iter(cluster._objects[JOBS])) == f"{ID}-ps"
        async with attached(cluster, tmp_path, kinds=("indexed_jobs",)) as made:
            await made.ready()
            kept = await made.target.ensure(of)
            assert kept.objects[0].name == f"{ID}-worker"
            assert len(kept.objects) == 6


@pytest.mark.parametrize("stopping", [True, False])
async def test_a_new_attempt_that_was_made_half_way_is_ended_after_a_restart(tmp_path: Path, stopping: bool) -> None:
    """The database knows of the attempt before it only."""
    second = full(attempt=2, generation=2)
    async with FaultServer() as server:
        cluster = SmallCluster(server)
        async with attached(cluster, tmp_path) as made:
            await made.ready()
            await made.target.ensure(full())
            first = cluster.rows[ID].made
            cluster.rule = lambda request: cut if request.path == SECRETS else None
            with pytest.raises(TargetUnavailable):
                await made.target.ensure(second)
            cluster.rule = lambda request: None
            cluster.pod(second)
        assert cluster.rows[ID].made == first
        assert cluster.names(TFJOBS) == [ID]
        async with attached(cluster, tmp_path) as made:
            await made.ready()
            if stopping:
                await made.target.stop(second)
                assert made.last is not None
                assert (made.last.attempt, made.last.reason) == (2, "Stopped")
            else:
                await made.target.delete(ID, second.uid)
        assert cluster.names(TFJOBS) == cluster.names(PODS) == []
