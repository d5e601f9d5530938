"""A refusal ends only what it refuses: what was told stays true, and an order works once nothing stands in its way."""

from __future__ import annotations

import json
from typing import Any

from tests.cluster.api import wait
from tests.cluster.cluster import Cluster
from tests.kubernetes.proxy import Answer, Proxy, Request
from tests.kubernetes.reasons import fake as experiment
from tests.kubernetes.server import ClusterServer, left
from tests.kubernetes.test_rights import Role

Json = dict[str, Any]
DENIED = 'admission webhook "night.example.com" denied the request: come back tomorrow'
MERGE = {"Content-Type": "application/merge-patch+json"}


def denial(after_s: float = 0) -> Answer:
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "message": DENIED}
    return Answer(403, json.dumps(body | {"code": 403}), {"Content-Type": "application/json"}, after_s)


def told(server: ClusterServer, experiment_id: str) -> str:
    """Return all that is told of an experiment."""
    return json.dumps(server.get(experiment_id)["detail"])


def workers(server: ClusterServer, experiment_id: str) -> int:
    found: int = server.get(experiment_id)["spec"]["spec"]["Worker"]["replicas"]
    return found


def test_rights_that_are_taken_away_end_no_order(cluster: Cluster, fake: ClusterServer) -> None:
    """Stop, scale and submit while rights are missing, and longer than it takes to find out: all answers come true."""
    fake.ready()
    stopped, scaled, deleted = (fake.submit(experiment()) for _ in range(3))
    for experiment_id in (stopped, scaled, deleted):
        fake.status(experiment_id, "Running")
    role = Role(cluster.api, fake.namespace)
    role.without(("delete", "tfjobs"), ("patch", "tfjobs"))
    before = workers(fake, scaled)
    assert fake.http.post(f"{fake.url}/{stopped}/stop").status_code == 200
    refused = fake.http.patch(
        f"{fake.url}/{scaled}", json={"spec": {"Worker": {"replicas": before + 2}}}, headers=MERGE
    )
    assert refused.status_code == 400, refused.text
    assert "may not patch tfjobs" in refused.json()["message"]
    refused = fake.http.delete(f"{fake.url}/{deleted}")
    assert refused.status_code == 400, refused.text
    assert "may not delete tfjobs" in refused.json()["message"]
    wait("the reason", lambda: "may not delete tfjobs" in told(fake, stopped), seconds=30)
    for experiment_id in (stopped, scaled, deleted):
        assert fake.get(experiment_id)["status"] == "Running"
        assert left(cluster.api, fake.namespace, experiment_id)
    assert workers(fake, scaled) == before
    role.without()
    found = fake.status(stopped, "Failed", seconds=90)
    assert found["detail"]["reason"] == "Stopped"
    wait("the deletion", lambda: fake.http.get(f"{fake.url}/{deleted}").status_code == 404, seconds=90)
    wait("nothing to be left", lambda: not left(cluster.api, fake.namespace, deleted))
    assert fake.get(scaled)["status"] == "Running"


def test_a_stop_that_a_policy_refuses_is_given_again(cluster: Cluster, fake: ClusterServer, proxy: Proxy) -> None:
    fake.ready()
    experiment_id = fake.submit(experiment())
    fake.status(experiment_id, "Running")
    proxy.rule = lambda request: denial() if request.method == "DELETE" else None
    assert fake.http.post(f"{fake.url}/{experiment_id}/stop").status_code == 200
    wait("the reason", lambda: "come back tomorrow" in told(fake, experiment_id), seconds=30)
    assert fake.get(experiment_id)["status"] == "Running"
    # A restart forgets nothing of it.
    fake.kill()
    fake.ready()
    assert fake.get(experiment_id)["status"] == "Running"
    proxy.rule = lambda request: None
    assert fake.status(experiment_id, "Failed", seconds=90)["detail"]["reason"] == "Stopped"
    wait("nothing to be left", lambda: not left(cluster.api, fake.namespace, experiment_id))


def test_a_change_that_is_refused_late_is_taken_back_and_told(
    cluster: Cluster, fake: ClusterServer, proxy: Proxy
) -> None:
    fake.ready()
    experiment_id = fake.submit(experiment())
    fake.status(experiment_id, "Running")
    before = workers(fake, experiment_id)

    def rule(request: Request) -> Answer | None:
        return denial(after_s=4) if request.method == "PATCH" and "/tfjobs/" in request.path else None

    proxy.rule = rule
    patch = {"spec": {"Worker": {"replicas": before + 3}}}
    assert fake.http.patch(f"{fake.url}/{experiment_id}", json=patch, headers=MERGE).status_code == 200
    wait("it to be taken back", lambda: workers(fake, experiment_id) == before, seconds=30)
    found = fake.get(experiment_id)
    assert found["status"] == "Running"
    assert "come back tomorrow" in told(fake, experiment_id)
    proxy.rule = lambda request: None
    assert fake.http.patch(f"{fake.url}/{experiment_id}", json=patch, headers=MERGE).status_code == 200
    path = f"/apis/kubeflow.org/v1/namespaces/{fake.namespace}/tfjobs/{experiment_id}"
    wait(
        "the cluster to have it",
        lambda: cluster.api.get(path)["spec"]["tfReplicaSpecs"]["Worker"]["replicas"] == before + 3,
        seconds=60,
    )
