"""Where objects are in the Kubernetes API.

https://kubernetes.io/docs/reference/using-api/api-concepts/#standard-api-terminology
"""

from __future__ import annotations

from submarine_jupyter_server.targets.kubernetes.manifests import KINDS, OWN_KINDS
from submarine_jupyter_server.targets.kubernetes.raw_json import Json
from submarine_jupyter_server.targets.protocol import ObjectRef

# What an experiment's own object owns; the own objects name their plural themselves.
_OWNED = {"Pod": "pods", "Service": "services", "ConfigMap": "configmaps", "Secret": "secrets", "Job": "jobs"}


def collection(api_version: str, plural: str, namespace: str) -> str:
    """Return the path of all objects of a kind in a namespace."""
    root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    return f"{root}/namespaces/{namespace}/{plural}"


def collection_of(item: Json) -> str:
    """Return the path to create an object at."""
    plurals = _OWNED | {name: kind.plural for name, kind in OWN_KINDS.items()}
    return collection(item["apiVersion"], plurals[item["kind"]], item["metadata"]["namespace"])


def own_collection(kind: str, namespace: str) -> str:
    """Return the path of the own objects of a kind, by its name in ``KINDS``."""
    return collection(KINDS[kind].api_version, KINDS[kind].plural, namespace)


def makes_pods(ref: ObjectRef) -> bool:
    """Return whether an object is of a kind that makes pods."""
    return ref.kind in OWN_KINDS


def collection_of_ref(ref: ObjectRef) -> str:
    """Return the path of the collection that an object is in."""
    if (kind := OWN_KINDS.get(ref.kind)) is not None:
        return collection(kind.api_version, kind.plural, ref.namespace)
    return collection("v1", _OWNED[ref.kind], ref.namespace)


def path_of(ref: ObjectRef) -> str:
    """Return the path of an object."""
    return f"{collection_of_ref(ref)}/{ref.name}"
