"""What is told when this server lacks a right, or an operator does not answer."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster.api import Api, wait
from tests.cluster.cluster import Cluster
from tests.cluster.namespaces import namespaced
from tests.kubernetes.reasons import fake as experiment
from tests.kubernetes.server import ClusterServer, left, refused
from tests.targets.kubernetes.deployed import apply_role

Json = dict[str, Any]
ROLE = "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles/submarine-jupyter"
WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/{}webhookconfigurations"


class Role:
    """The Role of a server, of which rights are taken away and given back."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api, self._path = api, ROLE.format(namespace)
        self._rules: list[Json] = api.get(self._path)["rules"]

    def without(self, *rights: tuple[str, str]) -> None:
        """Grant everything but some verbs on resources."""
        self._grant(
            [
                {**rule, "resources": [resource], "verbs": verbs}
                for rule in self._rules
                for resource in rule["resources"]
                if (verbs := [verb for verb in rule["verbs"] if (verb, resource) not in rights])
            ]
        )

    def nothing(self) -> None:
        """Grant nothing."""
        self._grant([])

    def _grant(self, rules: list[Json]) -> None:
        self._api.patch(self._path, {"rules": rules})


def test_a_missing_right_is_named(cluster: Cluster, fake: ClusterServer) -> None:
    role = Role(cluster.api, fake.namespace)
    role.without(("create", "tfjobs"), ("get", "pods/log"))
    fake.ready()
    health = fake.target()["health"]
    where = f"in namespace {fake.namespace}"
    assert health["missing"] == [
        (
            f"this server may not create tfjobs {where}: nothing can run as a TFJob; "
            "grant verb create (docs/deploy/role.yaml)"
        ),
        f"this server may not get pods/log {where}: logs are not kept; grant verb get (docs/deploy/role.yaml)",
    ]
    assert "TFJob" not in health["kinds"]
    # What cannot be a TFJob becomes a JobSet, until that right is taken away too.
    first = fake.submit(experiment())
    fake.status(first, "Running")
    role.without(("create", "tfjobs"), ("create", "jobsets"))
    answer = refused(fake, experiment())
    assert answer["message"].startswith(f"this server may not create jobsets in namespace {fake.namespace}; ")
    assert answer["attributes"]["hint"] == "the Role in docs/deploy/role.yaml has all that is needed"
    role.without()
    fake.until(first, lambda _: fake.target()["health"]["missing"] == [], "the rights")
    second = fake.submit(experiment())
    fake.status(second, "Running")
    [made] = cluster.api.get(f"/apis/kubeflow.org/v1/namespaces/{fake.namespace}/tfjobs")["items"]
    assert made["metadata"]["name"] == second


@pytest.mark.parametrize("everything", [False, True])
def test_a_server_that_may_not_watch_says_so_and_begins_when_it_may(
    cluster: Cluster, fake: ClusterServer, everything: bool
) -> None:
    role = Role(cluster.api, fake.namespace)
    if everything:
        role.nothing()
        why = f"this server has no permissions in namespace {fake.namespace}, so nothing can run there; apply"
        why += " docs/deploy/role.yaml"
    else:
        role.without(("watch", "pods"))
        why = f"this server may not watch pods in namespace {fake.namespace}: statuses stay unknown; grant verb watch"
        why += " (docs/deploy/role.yaml)"
    fake.start()
    assert fake.wait_ready()
    experiment_id = fake.submit(experiment())
    found = fake.until(experiment_id, lambda found: found["detail"]["reason"] == "NoPermission", "the reason")
    assert found["detail"]["message"] == f"the cluster cannot be used now: {why}".replace("it may", "this server may")
    health = fake.target()["health"]
    assert (health["ok"], health["missing"]) == (False, [why])
    role.without()
    fake.status(experiment_id, "Running", seconds=90)
    fake.until(experiment_id, lambda found: found["detail"]["reason"] is None, "the end of the reason")
    wait("nothing to be missing", lambda: fake.target()["health"]["missing"] == [])


def test_a_namespace_that_may_not_be_watched_stops_no_other(cluster: Cluster, fake: ClusterServer) -> None:
    with namespaced(cluster, "kwok") as other:
        apply_role(cluster, other, account_in=fake.namespace)
        role = Role(cluster.api, other)
        role.without(("watch", "pods"))
        fake.with_options(namespaces=[fake.namespace, other]).start()
        assert fake.wait_ready()
        first, second = (fake.submit(_in(namespace)) for namespace in (fake.namespace, other))
        fake.status(first, "Running")
        found = fake.until(second, lambda found: found["detail"]["reason"] == "NoPermission", "the reason")
        why = f"this server may not watch pods in namespace {other}: statuses stay unknown; grant verb watch"
        why += " (docs/deploy/role.yaml)"
        assert found["detail"]["message"] == f"the cluster cannot be used now: {why}"
        health = fake.target()["health"]
        assert (health["ok"], health["trouble"]) == (False, why)
        role.without()
        fake.status(second, "Running", seconds=90)
        assert fake.target_is_ok()
        # What cannot be seen any more is neither gone nor deleted, until it is seen again.
        fake.kill()
        role.without(("watch", "pods"))
        fake.start()
        assert fake.wait_ready()
        third = fake.submit(_in(fake.namespace))
        fake.status(third, "Running")
        assert fake.get(second)["status"] == "Running"
        assert fake.http.delete(f"{fake.url}/{second}").status_code == 200
        # An order goes by what was made, and needs to see nothing.
        wait("it to be deleted from the cluster", lambda: not left(cluster.api, other, second), seconds=90)
        assert not fake.target_is_ok()
        assert fake.get(first)["status"] == "Running"


def _in(namespace: str) -> Json:
    body = experiment()
    return body | {"meta": body["meta"] | {"namespace": namespace}}


def policies(api: Api, policy: str) -> None:
    """Have the API server go on without an answer of the operator's webhooks, or not."""
    for kind in ("validating", "mutating"):
        for item in api.get(WEBHOOKS.format(kind))["items"]:
            name = item["metadata"]["name"]
            if name.startswith("training-operator"):
                hooks = [{**hook, "failurePolicy": policy} for hook in item["webhooks"]]
                api.patch(f"{WEBHOOKS.format(kind)}/{name}", {"webhooks": hooks})


def test_an_operator_that_is_gone_is_told(own_cluster: Cluster, fake: ClusterServer) -> None:
    fake.ready()
    own_cluster.kill("training-operator")
    try:
        experiment_id = fake.submit(experiment())
        found = fake.until(experiment_id, lambda found: found["detail"]["reason"], "a reason")
        assert (found["status"], found["detail"]["reason"]) == ("Accepted", "WebhookUnavailable")
        assert found["detail"]["message"] == (
            "the cluster's webhook 'validator.tfjob.training-operator.kubeflow.org' does not answer: check"
            " that its operator runs"
        )
        policies(own_cluster.api, "Ignore")
        found = fake.until(experiment_id, lambda found: found["detail"]["reason"] == "NoOperator", "the reason")
        assert found["detail"]["message"] == "no operator for TFJob answers in this cluster"
    finally:
        policies(own_cluster.api, "Fail")
        own_cluster.start("training-operator")
    assert fake.status(experiment_id, "Running", seconds=90)["detail"]["reason"] is None
