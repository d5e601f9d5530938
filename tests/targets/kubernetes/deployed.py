"""The manifests of docs/deploy, as a test applies them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.cluster.cluster import Cluster

Json = dict[str, Any]
DEPLOY = Path(__file__).parents[3] / "docs" / "deploy"
ACCOUNT = "submarine-jupyter"
_PLURALS = {
    "ServiceAccount": "serviceaccounts",
    "Role": "roles",
    "RoleBinding": "rolebindings",
    "ClusterRole": "clusterroles",
    "ClusterRoleBinding": "clusterrolebindings",
    "NetworkPolicy": "networkpolicies",
}


def documents(text: str, namespace: str) -> list[Json]:
    """Return the objects of a manifest for a namespace, as its README says to make them."""
    return [item for item in yaml.safe_load_all(text.replace("team-a", namespace)) if item]


def collection(item: Json) -> str:
    """Return the path to create an object at."""
    version = item["apiVersion"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    namespace = item["metadata"].get("namespace")
    return (
        f"{root}/namespaces/{namespace}/{_PLURALS[item['kind']]}" if namespace else f"{root}/{_PLURALS[item['kind']]}"
    )


def apply_role(cluster: Cluster, namespace: str, *, account_in: str | None = None) -> Path:
    """Apply exactly role.yaml to a namespace; return a kubeconfig of the service account in it.

    With ``account_in`` the one of that namespace gets the rights, as role.yaml tells to do it.
    """
    for item in documents((DEPLOY / "role.yaml").read_text(), namespace):
        if account_in and item["kind"] == "ServiceAccount":
            continue
        if account_in and item["kind"] == "RoleBinding":
            item["subjects"][0]["namespace"] = account_in
        cluster.api.create(collection(item), item)
    return cluster.service_account(account_in or namespace, ACCOUNT)
