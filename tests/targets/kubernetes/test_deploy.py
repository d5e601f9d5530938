"""The manifests that administrators apply: the API server takes them, and they grant what is needed and no more."""

from __future__ import annotations

import pytest

from submarine_jupyter_server.targets.kubernetes.api.rights import NEEDS
from tests.cluster.cluster import Cluster
from tests.targets.kubernetes.deployed import DEPLOY, Json, collection, documents

FILES = sorted(path.name for path in DEPLOY.glob("*.yaml"))


def accepts(cluster: Cluster, item: Json) -> None:
    rehearsal = {"dryRun": "All", "fieldValidation": "Strict"}
    answer = cluster.api.http.post(collection(item), params=rehearsal, json=item)
    assert answer.is_success, answer.text


@pytest.mark.parametrize("name", FILES)
def test_the_api_server_takes_the_manifests(cluster: Cluster, fake_namespace: str, name: str) -> None:
    # A cluster-wide object of this name may be applied already.
    text = (DEPLOY / name).read_text().replace("submarine-jupyter-capacity", f"submarine-jupyter-{fake_namespace}")
    for item in documents(text, fake_namespace):
        accepts(cluster, item)


def test_the_closed_form_of_the_network_policy_is_taken_too(cluster: Cluster, fake_namespace: str) -> None:
    opening = "  # Where they connect to stays open"
    kept, _, closed = (DEPLOY / "networkpolicy.yaml").read_text().partition(opening)
    lines = [line.replace("  # ", "  ", 1) for line in closed.splitlines()[1:]]
    (policy,) = documents("\n".join([kept, *lines]), fake_namespace)
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert len(policy["spec"]["egress"]) == 2
    accepts(cluster, policy)


def test_the_role_grants_what_is_needed_and_nothing_else() -> None:
    (role,) = [item for item in documents((DEPLOY / "role.yaml").read_text(), "x") if item["kind"] == "Role"]
    granted = {
        (group, resource): set(rule["verbs"])
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    needed = {(need.group, need.resource): set(need.verbs) for need in NEEDS}
    assert granted == needed | {("", "resourcequotas"): {"list"}}
