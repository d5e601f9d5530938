from __future__ import annotations

from typing import Any, cast

import pytest

from submarine_jupyter_server.targets.kubernetes.api.cluster import Cluster as Connection
from submarine_jupyter_server.targets.kubernetes.api.rights import (
    NEEDS,
    Missing,
    blind,
    missing,
    sentences,
    too_much,
    usable,
)
from tests.cluster.api import wait
from tests.cluster.cluster import Cluster
from tests.targets.kubernetes.deployed import ACCOUNT, apply_role

QUEUES = {"Workload", "LocalQueue", "PendingWorkloadsSummary"}
ALL_KINDS = frozenset({"TFJob", "PyTorchJob", "XGBoostJob", "JobSet", *QUEUES})
ROLES = "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles/submarine-jupyter"


class Answering:
    """An API server whose authorizer cannot list rights (a webhook); ours for the tests has none such."""

    def __init__(self, rules: list[dict[str, Any]], denied: set[tuple[str, str]], broken: bool = False) -> None:
        self._rules = rules
        self._denied = denied
        self._broken = broken

    async def call(self, method: str, path: str, *, body: dict[str, Any]) -> dict[str, Any]:
        if path.endswith("/selfsubjectrulesreviews"):
            return {"status": {"resourceRules": self._rules, "nonResourceRules": [], "incomplete": True}}
        asked = body["spec"]["resourceAttributes"]
        resource = "/".join(filter(None, (asked["resource"], asked.get("subresource"))))
        if self._broken:
            return {"status": {"allowed": False, "evaluationError": "the webhook does not answer"}}
        return {"status": {"allowed": (resource, asked["verb"]) not in self._denied}}


async def lacking(connection: Any, *namespaces: str, served: frozenset[str] = ALL_KINDS) -> list[tuple[str, str, str]]:
    found = await missing(cast(Connection, connection), namespaces, served)
    return [(item.namespace, item.resource, item.verb) for item in found]


async def test_nothing_is_missing_with_exactly_the_role(cluster: Cluster, fake_namespace: str) -> None:
    connection = await Connection.connect(kubeconfig=str(apply_role(cluster, fake_namespace)))
    try:
        assert await lacking(connection, fake_namespace) == []
        assert await too_much(connection) is None
        elsewhere = await missing(connection, ["default"], ALL_KINDS)
        assert sentences(elsewhere) == [
            "this server has no permissions in namespace default, so nothing can run there; apply docs/deploy/role.yaml"
        ]
        assert len(elsewhere) == sum(len(need.verbs) for need in NEEDS)
    finally:
        await connection.close()


async def test_each_right_that_is_taken_away_is_named(cluster: Cluster, fake_namespace: str) -> None:
    connection = await Connection.connect(kubeconfig=str(apply_role(cluster, fake_namespace)))
    path = ROLES.format(fake_namespace)
    rules = cluster.api.get(path)["rules"]
    kept = [rule for rule in rules if not {"pods/log", "jobsets", "workloads"} & set(rule["resources"])]
    for rule in kept:
        if rule["resources"] == ["pods"]:
            rule["verbs"] = ["get"]
        if rule["resources"] == ["secrets"]:  # of one name only: none that has yet to be made
            rule["resourceNames"] = ["x"]
    cluster.api.patch(path, {"rules": kept})
    try:
        may = {"verb": "list", "resource": "pods", "namespace": fake_namespace}
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview"}
        user = f"system:serviceaccount:{fake_namespace}:{ACCOUNT}"
        spec = {"user": user, "resourceAttributes": may}
        reviews = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        wait("the change", lambda: not cluster.api.create(reviews, review | {"spec": spec})["status"]["allowed"])
        found = await missing(connection, [fake_namespace], frozenset({"TFJob", "JobSet"}))
    finally:
        await connection.close()
    told = sentences([item for item in found if item.resource != "jobsets"])
    assert [text.replace(f" in namespace {fake_namespace}", "").split(" (")[0] for text in told] == [
        (
            "this server may not create or delete secrets: secret variables cannot be "
            "sent along; grant verbs create and delete"
        ),
        "this server may not list or watch pods: statuses stay unknown; grant verbs list and watch",
        "this server may not get pods/log: logs are not kept; grant verb get",
    ]
    assert {item.verb for item in found if item.resource == "jobsets"} == set(NEEDS[0].verbs)
    assert usable(frozenset({"TFJob", "JobSet"}), found, {fake_namespace}) == {"TFJob"}


async def test_an_administrator_has_all_and_too_much(cluster: Cluster, fake_namespace: str) -> None:
    connection = await Connection.connect(kubeconfig=str(cluster.kubeconfig))
    try:
        assert await lacking(connection, fake_namespace) == []
        assert "everything in the whole cluster" in (await too_much(connection) or "")
    finally:
        await connection.close()


@pytest.mark.parametrize(
    "rule",
    [
        {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
        {"verbs": [*NEEDS[0].verbs], "apiGroups": ["", *{need.group for need in NEEDS}], "resources": ["*"]},
        {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*/log", *{need.resource for need in NEEDS} - {"pods/log"}]},
    ],
)
async def test_wildcards_grant(rule: dict[str, Any]) -> None:
    denied = {(need.resource, verb) for need in NEEDS for verb in need.verbs}
    assert await lacking(Answering([rule], denied), "x") == []


async def test_where_rights_cannot_be_listed_only_a_plain_no_counts() -> None:
    denied = {("pods/log", "get"), ("jobs", "patch")}
    assert await lacking(Answering([], denied), "x", "y") == [
        (namespace, resource, verb)
        for namespace in ("x", "y")
        for resource, verb in (("jobs", "patch"), ("pods/log", "get"))
    ]
    assert await lacking(Answering([], set(), broken=True), "x") == []


async def test_what_the_cluster_does_not_serve_is_not_needed() -> None:
    denied = {(need.resource, verb) for need in NEEDS for verb in need.verbs}
    found = await lacking(Answering([], denied), "x", served=frozenset())
    named = {resource for _, resource, _ in found}
    assert named == {"jobs", "services", "configmaps", "secrets", "pods", "pods/log", "events"}


def test_only_what_keeps_experiments_from_being_followed_keeps_them_from_beginning() -> None:
    found = [
        Missing("x", verb, what, "why") for what, verb in (("jobs", "create"), ("pods", "watch"), ("pods/log", "get"))
    ]
    assert blind(found) == {
        "x": ["this server may not watch pods in namespace x: why; grant verb watch (docs/deploy/role.yaml)"]
    }
    assert blind([found[0], found[2]]) == {}
    everything = [Missing("y", verb, need.resource, "") for need in NEEDS for verb in need.verbs]
    assert [text.partition(",")[0] for text in blind(everything)["y"]] == [
        "this server has no permissions in namespace y"
    ]


def test_a_kind_that_only_cannot_be_scaled_is_used() -> None:
    served = frozenset({"TFJob", "JobSet", "Workload"})
    found = [
        Missing("x", "patch", "tfjobs", ""),
        Missing("y", "watch", "workloads", ""),
        Missing("x", "get", "pods", ""),
    ]
    assert usable(served, found, {"x", "y"}) == {"TFJob", "JobSet"}
    assert usable(served, [Missing("z", "create", "tfjobs", "")], {"x", "y"}) == served
    assert str(Missing("x", "watch", "pods", "statuses stay unknown")) == (
        "this server may not watch pods in namespace x: statuses stay unknown; grant verb watch (docs/deploy/role.yaml)"
    )
