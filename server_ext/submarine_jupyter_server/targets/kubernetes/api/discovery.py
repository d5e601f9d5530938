"""What a cluster serves of the kinds this target knows; needs no rights beyond those everybody has."""

from __future__ import annotations

import asyncio
import re

from submarine_jupyter_server.targets.kubernetes.manifests import KINDS
from submarine_jupyter_server.targets.kubernetes.raw_json import Json

from .cluster import ApiError, Cluster

KUEUE = "kueue.x-k8s.io"
PLACES = f"visibility.{KUEUE}"
_OWN = frozenset(kind.kind for kind in KINDS.values())
# What Kubernetes itself has need not be asked for.
_GROUPS = sorted({f"/apis/{kind.api_version}" for kind in KINDS.values() if not kind.built_in})
_KIND = re.compile(r"(?P<group>/apis/[^/]+/[^/]+)/namespaces/[^/]+/(?P<plural>[^/]+)")
_QUEUES = frozenset({"Workload", "LocalQueue"})
_PLACES = frozenset({"PendingWorkloadsSummary"})


async def discover(cluster: Cluster) -> frozenset[str]:
    """Return the Kubernetes kinds of ours that are served: ``TFJob``, ``PyTorchJob``, ``XGBoostJob``, ``JobSet``,
    and of Kueue ``Workload``, ``LocalQueue`` and ``PendingWorkloadsSummary``. Raises ApiError, Unreachable: then
    nothing is known.
    """
    queues, places = _queue_kinds(cluster), _place_kinds(cluster)
    found = await asyncio.gather(*(_kinds(cluster, path) for path in _GROUPS), queues, places)
    wanted = (*[_OWN] * len(_GROUPS), _QUEUES, _PLACES)
    return frozenset().union(*(kinds & ours for kinds, ours in zip(found, wanted, strict=True)))


async def kueue_version(cluster: Cluster) -> str | None:
    """Return the version of Kueue's API the cluster prefers (``v1beta1``), None without Kueue."""
    group = await _get(cluster, f"/apis/{KUEUE}")
    return None if group is None else str(group["preferredVersion"]["version"])


async def places_version(cluster: Cluster) -> str | None:
    """Return the version of the API that knows places in queues; None without it, or while Kueue does not answer."""
    try:
        group = await _get(cluster, f"/apis/{PLACES}")
    except ApiError:  # Kueue itself answers here: what it cannot say now is no reason not to train
        return None
    return None if group is None else str(group["preferredVersion"]["version"])


async def server_version(cluster: Cluster) -> str:
    """Return the version of the API server, such as ``v1.36.2``."""
    return str((await cluster.call("GET", "/version")).get("gitVersion", ""))


async def serves(cluster: Cluster, path: str) -> bool:
    """Return whether the cluster has the kind of objects at ``path``, a collection or one of its objects.

    Raises ApiError, Unreachable: also where something answers that is no API server.
    """
    found = _KIND.match(path)
    if found is None:
        return True  # Kubernetes' own
    group = await _get(cluster, found["group"])
    if group is None:
        await server_version(cluster)
    return any(resource.get("name") == found["plural"] for resource in (group or {}).get("resources") or [])


async def _queue_kinds(cluster: Cluster) -> frozenset[str]:
    version = await kueue_version(cluster)
    return frozenset() if version is None else await _kinds(cluster, f"/apis/{KUEUE}/{version}")


async def _place_kinds(cluster: Cluster) -> frozenset[str]:
    version = await places_version(cluster)
    if version is None:
        return frozenset()
    try:
        return await _kinds(cluster, f"/apis/{PLACES}/{version}")
    except ApiError:
        return frozenset()


async def _kinds(cluster: Cluster, path: str) -> frozenset[str]:
    group = await _get(cluster, path)
    return frozenset(str(resource.get("kind")) for resource in (group or {}).get("resources") or [])


async def _get(cluster: Cluster, path: str) -> Json | None:
    try:
        return await cluster.call("GET", path)
    except ApiError as error:
        if error.status == 404:
            return None
        raise
