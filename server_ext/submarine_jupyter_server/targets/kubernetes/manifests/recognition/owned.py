"""What belongs to an experiment's own object, and whether something that has its name already is it."""

from __future__ import annotations

import hmac
from typing import Any

from submarine_jupyter_server.targets.kubernetes.raw_json import Json

from .seal import TOKEN


def owned(objects: list[Json], uid: str) -> list[Json]:
    """Return all objects but the first, each owned by the first, whose uid the cluster has given.

    ``blockOwnerDeletion`` stays false: setting it takes the right to change finalizers.
    """
    first, *rest = objects
    reference = {
        "apiVersion": first["apiVersion"],
        "kind": first["kind"],
        "name": first["metadata"]["name"],
        "uid": uid,
        "blockOwnerDeletion": False,
    }
    return [{**item, "metadata": {**item["metadata"], "ownerReferences": [reference]}} for item in rest]


def is_same(item: Json, found: Json) -> bool:
    """Return whether an object of the cluster is the one that was to be made as ``item``, which comes from `owned`.

    What has a token must bear it. What has none must have the same owner, whose uid nobody knows before it exists, and
    our content. A Secret is never the same: it could have any content, and nobody should need the right to read it.
    """
    if item["kind"] == "Secret" or _owners(item) != _owners(found):
        return False
    token = _part(item, "metadata", "annotations").get(TOKEN)
    if token is not None:
        theirs = str(_part(found, "metadata", "annotations").get(TOKEN))
        return hmac.compare_digest(token.encode(), theirs.encode(errors="replace"))
    if item["kind"] == "ConfigMap":
        return not found.get("binaryData") and all(found.get(name) == item.get(name) for name in ("data", "immutable"))
    return item["kind"] == "Service" and _service(_part(item, "spec")) == _service(_part(found, "spec"))


def _owners(found: Json) -> list[Any]:
    owners = _part(found, "metadata").get("ownerReferences")
    return [owner.get("uid") for owner in owners or () if isinstance(owner, dict)]


def _service(spec: Json) -> Json:
    """Return what decides where a Service leads, without what the API server adds to each."""
    return {
        "type": spec.get("type", "ClusterIP"),
        "ports": [(port.get("name"), port.get("port")) for port in spec.get("ports") or ()],
        **{name: spec.get(name) or None for name in ("clusterIP", "publishNotReadyAddresses", "selector")},
        **{name: spec.get(name) or None for name in ("externalIPs", "externalName", "loadBalancerIP")},
    }


def _part(found: Json, *names: str) -> Json:
    for name in names:
        found = found.get(name) or {}
    return found
