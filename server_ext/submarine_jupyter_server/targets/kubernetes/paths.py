"""Where objects are in the Kubernetes API.

https://kubernetes.io/docs/reference/using-api/api-concepts/#standard-api-terminology
"""

from __future__ import annotations

from .manifests import KINDS, Json

# What an experiment's own object owns; the own objects name their plural themselves.
_OWNED = {"Service": "services", "ConfigMap": "configmaps", "Secret": "secrets", "Job": "jobs"}


def collection(api_version: str, plural: str, namespace: str) -> str:
    """Return the path of all objects of a kind in a namespace."""
    root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    return f"{root}/namespaces/{namespace}/{plural}"


def collection_of(item: Json) -> str:
    """Return the path to create an object at."""
    plurals = _OWNED | {kind.kind: kind.plural for kind in KINDS.values()}
    return collection(item["apiVersion"], plurals[item["kind"]], item["metadata"]["namespace"])


def own_collection(kind: str, namespace: str) -> str:
    """Return the path of the own objects of a kind, by its name in ``KINDS``."""
    return collection(KINDS[kind].api_version, KINDS[kind].plural, namespace)
