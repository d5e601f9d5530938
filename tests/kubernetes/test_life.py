"""Experiments on a real control plane with fake nodes: made, seen, scaled, changed, stopped, deleted, found again."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from submarine_jupyter_server.targets.kubernetes.manifests.recognition.seal import SEAL
from tests.cluster.api import Api, wait
from tests.cluster.cluster import Cluster
from tests.kubernetes.server import ClusterServer, left, spec

MERGE = {"Content-Type": "application/merge-patch+json"}
NEVER = {"FAKE_EXIT_CODE": "never"}
KINDS = {
    "tfjob": ("TensorFlow", {"ps": 1, "worker": 2}, "/apis/kubeflow.org/v1", "tfjobs"),
    "pytorchjob": ("PyTorch", {"master": 1, "worker": 1}, "/apis/kubeflow.org/v1", "pytorchjobs"),
    "xgboostjob": ("XGBoost", {"master": 1, "worker": 2}, "/apis/kubeflow.org/v1", "xgboostjobs"),
    "jobset": ("TensorFlow", {"ps": 1, "worker": 2}, "/apis/jobset.x-k8s.io/v1alpha2", "jobsets"),
    "indexed_jobs": ("TensorFlow", {"ps": 1, "worker": 2}, "/apis/batch/v1", "jobs"),
    "standalone": ("Standalone", {"worker": 1}, "/apis/batch/v1", "jobs"),
}


def objects(cluster: Cluster, server: ClusterServer, kind: str) -> list[dict[str, Any]]:
    _, _, root, plural = KINDS[kind]
    found: list[dict[str, Any]] = cluster.api.get(f"{root}/namespaces/{server.namespace}/{plural}")["items"]
    return found


def experiment(kind: str, **more: Any) -> dict[str, Any]:
    framework, replicas, _, _ = KINDS[kind]
    return spec(framework, replicas, **more)


def of(kind: str, **more: Any) -> dict[str, Any]:
    """Return an experiment for the target that makes one kind only."""
    body = experiment(kind, **more)
    target = "indexed-jobs" if kind == "standalone" else kind.replace("_", "-")
    return body | {"runtime": {**body.get("runtime", {}), "target": target}}


def _sealed(item: dict[str, Any]) -> bool:
    return SEAL in item["metadata"]["annotations"]


def nothing_left(api: Api, namespace: str, experiment_id: str | None = None) -> None:
    wait("nothing to be left", lambda: left(api, namespace, experiment_id) == [], seconds=90)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_runs_and_is_deleted(cluster: Cluster, kinds: ClusterServer, kind: str) -> None:
    server = kinds
    experiment_id = server.submit(of(kind, env=NEVER))
    running = server.status(experiment_id, "Running")
    assert objects(cluster, server, kind)
    everyone = server.until(
        experiment_id,
        lambda found: {replica["status"] for replica in found["detail"]["replicas"]} == {"Running"},
        "all replicas to run",
    )
    names = [replica["podName"] for replica in everyone["detail"]["replicas"]]
    assert names == [f"{experiment_id}-{role}-{i}" for role, n in KINDS[kind][1].items() for i in range(n)]
    assert all(replica["node"].startswith("fake-") for replica in everyone["detail"]["replicas"])
    assert running["acceptedTime"] <= running["createdTime"] <= running["runningTime"]
    cluster.say(f"hello of {experiment_id}")
    server.until(
        experiment_id,
        lambda _: all(f"hello of {experiment_id}" in lines for lines in server.lines(experiment_id).values()),
        "the log of each",
    )
    assert server.result("DELETE", f"/{experiment_id}")["status"] == "Deleted"
    nothing_left(cluster.api, server.namespace, experiment_id)


@pytest.mark.parametrize("kind", ["jobset", "indexed_jobs", "standalone"])
def test_each_kind_succeeds(kinds: ClusterServer, kind: str) -> None:
    server = kinds
    body = of(kind, env={"FAKE_SECONDS": "1"})
    if "Ps" in body["spec"]:
        body["spec"]["Ps"]["envVars"] = NEVER
    found = server.ended(server.submit(body), 60)
    assert found["status"] == "Succeeded", found
    states = {replica["name"]: replica["status"] for replica in found["detail"]["replicas"]}
    assert states.pop("ps-0", "Stopped") in ("Stopped", "Running")
    assert set(states.values()) == {"Succeeded"}


@pytest.mark.parametrize("kind", ["tfjob", "pytorchjob", "xgboostjob", "jobset", "indexed_jobs"])
def test_each_kind_fails_with_the_exit_code(kinds: ClusterServer, kind: str) -> None:
    server = kinds
    body = of(kind, env=NEVER)
    body["spec"]["Worker"]["envVars"] = {"FAKE_EXIT_CODE": "3", "FAKE_SECONDS": "1"}
    found = server.ended(server.submit(body), 60)
    assert (found["status"], "3" in found["detail"]["message"]) == ("Failed", True), found["detail"]
    failed = [replica for replica in found["detail"]["replicas"] if replica["status"] == "Failed"]
    assert failed
    assert {replica["exitCode"] for replica in failed} == {3}


@pytest.mark.parametrize("kind", ["tfjob", "indexed_jobs"])
def test_workers_are_added_and_taken_away(kinds: ClusterServer, kind: str) -> None:
    server = kinds
    body = of(kind, env=NEVER)
    experiment_id = server.submit(body)
    server.status(experiment_id, "Running")
    for workers in (3, 1):
        body["spec"]["Worker"]["replicas"] = workers
        answer = server.result("PATCH", f"/{experiment_id}", json=body)
        assert answer["spec"]["spec"]["Worker"]["replicas"] == workers
        server.until(
            experiment_id,
            lambda found, workers=workers: (  # type: ignore[misc]
                sum(item["role"] == "Worker" and item["status"] == "Running" for item in found["detail"]["replicas"])
                == workers
            ),
            f"{workers} workers",
        )
    assert server.get(experiment_id)["detail"]["attempt"] == 1


@pytest.mark.parametrize("kind", ["pytorchjob", "xgboostjob", "jobset"])
def test_a_kind_that_cannot_be_scaled_says_what_can_be_done(kinds: ClusterServer, kind: str) -> None:
    server = kinds
    body = of(kind, env=NEVER)
    experiment_id = server.submit(body)
    server.status(experiment_id, "Running")
    body["spec"]["Worker"]["replicas"] += 1
    with pytest.raises(httpx.HTTPStatusError) as refused:
        server.result("PATCH", f"/{experiment_id}", json=body)
    assert refused.value.response.status_code == 409
    answer = refused.value.response.json()
    assert "spec.Worker.replicas cannot change while it runs" in answer["message"]
    assert "this needs a restart of all replicas" in answer["attributes"]["hint"]
    assert server.get(experiment_id)["spec"]["spec"]["Worker"]["replicas"] == body["spec"]["Worker"]["replicas"] - 1


def test_another_template_is_another_attempt_under_the_same_id(cluster: Cluster, fake: ClusterServer) -> None:
    server = fake.ready()
    body = experiment("tfjob", env=NEVER)
    experiment_id = server.submit(body)
    server.status(experiment_id, "Running")
    cluster.say("first attempt")
    server.until(experiment_id, lambda _: "first attempt" in str(server.lines(experiment_id)), "its log")
    body["meta"]["cmd"] = "python other.py"
    server.result("PATCH", f"/{experiment_id}", json=body)
    found = server.until(
        experiment_id,
        lambda found: found["status"] == "Running" and found["detail"]["attempt"] == 2,
        "the second attempt",
        seconds=90,
    )
    assert found["spec"]["meta"]["cmd"] == "python other.py"
    [job] = objects(cluster, server, "tfjob")
    assert job["metadata"]["annotations"]["submarine.apache.org/attempt"] == "2"
    first = server.result("GET", f"/logs/{experiment_id}", params={"attempt": 1})
    assert "first attempt" in str(first)


def test_stop_ends_the_replicas_and_keeps_the_record(cluster: Cluster, fake: ClusterServer) -> None:
    server = fake.ready()
    experiment_id = server.submit(experiment("tfjob", env=NEVER))
    server.status(experiment_id, "Running")
    cluster.say("before the stop")
    server.until(experiment_id, lambda _: "before the stop" in str(server.lines(experiment_id)), "its log")
    server.result("POST", f"/{experiment_id}/stop")
    found = server.status(experiment_id, "Failed")
    assert found["detail"]["reason"] == "Stopped"
    assert {replica["status"] for replica in found["detail"]["replicas"]} == {"Stopped"}
    nothing_left(cluster.api, server.namespace)
    assert "before the stop" in str(server.lines(experiment_id))


def test_dry_run_asks_the_cluster_and_makes_nothing(cluster: Cluster, fake: ClusterServer) -> None:
    server = fake.ready()
    body = experiment("tfjob")
    plan = server.result("POST", json=body, params={"dryRun": "true"})
    assert [item["kind"] for item in plan["objects"]] == ["TFJob"]
    assert left(cluster.api, server.namespace) == []


def test_an_object_of_somebody_else_is_left_alone(cluster: Cluster, fake: ClusterServer) -> None:
    server = fake.ready()
    first = server.submit(experiment("tfjob", env=NEVER))
    prefix, _, number = first.rpartition("-")
    following = f"{prefix}-{int(number) + 1:04}"
    [job] = objects(cluster, server, "tfjob")
    template = {"metadata": {"name": following}, "spec": job["spec"], "apiVersion": job["apiVersion"], "kind": "TFJob"}
    cluster.api.create(f"/apis/kubeflow.org/v1/namespaces/{server.namespace}/tfjobs", template)
    with pytest.raises(httpx.HTTPStatusError) as refused:
        server.submit(experiment("tfjob"))
    assert "belongs to something else; it was not touched" in refused.value.response.json()["message"]
    found = cluster.api.get(f"/apis/kubeflow.org/v1/namespaces/{server.namespace}/tfjobs/{following}")
    assert "deletionTimestamp" not in found["metadata"]


def test_what_somebody_else_deleted_is_told(cluster: Cluster, fake: ClusterServer) -> None:
    server = fake.ready()
    experiment_id = server.submit(experiment("tfjob", env=NEVER))
    server.status(experiment_id, "Running")
    cluster.api.delete(f"/apis/kubeflow.org/v1/namespaces/{server.namespace}/tfjobs/{experiment_id}")
    found = server.status(experiment_id, "Failed")
    assert found["detail"]["reason"] == "ExternallyDeleted"


def test_a_server_finds_again_what_runs(fake: ClusterServer) -> None:
    server = fake.ready()
    ids = [server.submit(experiment(kind, env=NEVER)) for kind in ("tfjob", "standalone")]
    for experiment_id in ids:
        server.status(experiment_id, "Running")
    server.kill()
    server.ready()
    for experiment_id in ids:
        assert server.status(experiment_id, "Running")["detail"]["attempt"] == 1


def test_a_lost_database_is_written_again_from_the_cluster(cluster: Cluster, fake: ClusterServer) -> None:
    server = fake.ready()
    ids = [
        server.submit(experiment(kind, env={**NEVER, "MY_TOKEN": "hidden-value"}, name=f"of {kind}"))
        for kind in ("tfjob", "standalone")
    ]
    before = [server.status(experiment_id, "Running") for experiment_id in ids]
    # A record is signed some seconds after its object was made.
    wait("the seals", lambda: all(_sealed(item) for kind in KINDS for item in objects(cluster, server, kind)))
    server.kill()
    for file in server.data.glob("submarine.db*"):
        file.unlink()
    for file in server.data.glob("backups/*"):
        file.unlink()
    server.ready()
    wait("the rows", lambda: len(server.result("GET")) == 2)
    after = [server.status(experiment_id, "Running") for experiment_id in ids]
    for one, other in zip(before, after, strict=True):
        assert (one["uid"], one["spec"]) == (other["uid"], other["spec"])
        assert "restored from the cluster" in other["detail"]["notes"][0]
        for change, status in (({"spec": {"Worker": {"replicas": 3}}}, 409), ({"meta": {"tags": ["kept"]}}, 200)):
            answer = server.http.patch(f"{server.url}/{other['experimentId']}", json=change, headers=MERGE)
            assert answer.status_code == status, answer.text
    new = server.submit(experiment("standalone"))
    assert new not in ids
    for experiment_id in (*ids, new):
        server.result("DELETE", f"/{experiment_id}")
    nothing_left(cluster.api, server.namespace)


def test_a_server_starts_while_the_cluster_does_not_answer(own_cluster: Cluster, fake: ClusterServer) -> None:
    own_cluster.kill("kube-apiserver")
    try:
        fake.start()
        assert fake.wait_ready()
        experiment_id = fake.submit(experiment("tfjob", env=NEVER))
        found = fake.until(experiment_id, lambda found: found["detail"]["reason"], "a reason")
        assert (found["status"], found["detail"]["reason"]) == ("Accepted", "ClusterUnavailable")
        assert fake.target()["health"]["ok"] is False
    finally:
        own_cluster.start("kube-apiserver")
    assert fake.status(experiment_id, "Running", seconds=90)


@pytest.mark.parametrize("kind", ["tfjob", "jobset", "indexed_jobs"])
def test_a_time_limit_ends_what_runs(kinds: ClusterServer, kind: str) -> None:
    server = kinds
    found = server.ended(server.submit(of(kind, env=NEVER, runtime={"maxRunTime": 4})), 90)
    assert (found["status"], found["detail"]["reason"]) == ("Failed", "DeadlineExceeded"), found["detail"]
    assert "runtime.maxRunTime=4 s" in found["detail"]["message"]
