"""What a cluster has and what is free, as far as the rights of this server let it see."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from submarine_jupyter_server.targets.kubernetes.api.cluster import ApiError, Cluster
from submarine_jupyter_server.targets.kubernetes.api.discovery import KUEUE, kueue_version
from submarine_jupyter_server.targets.kubernetes.raw_json import Json

from .pod_requests import Amounts, amount_of, amounts, is_gpu, requests_of, total

KEPT_S = 30.0
# A page of 500 pods is 4 MB: to parse it would hold the event loop for more than 100 ms.
PAGE = 100
# Of nodes or of pods: to count more takes longer than anybody waits.
MAX_PAGES = 200
_FIT = "status.phase!=Succeeded,status.phase!=Failed,spec.nodeName!="
_CONTROL_PLANE = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
CLUSTER_WIDE = "docs/deploy/capacity-clusterrole.yaml"
_ROLE = "docs/deploy/role.yaml"


_KEEPS_OUT = ("NoSchedule", "NoExecute")
_ONE = {"pods": Decimal(1)}


class _NotCounted(Exception):
    """Something is left out of the answer, and this is why."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node that takes pods: its ``room`` in all and what is ``free``, None where that is not known.

    Both also have the number of ``pods``. ``taints`` are those that keep pods out.
    """

    room: Amounts
    free: Amounts | None
    labels: Mapping[str, str]
    taints: tuple[Json, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of a cluster: ``shown`` is for people. What may not be read is None.

    ``quotas`` are those of each namespace that may be read, as they are.
    """

    shown: dict[str, object]
    nodes: tuple[Node, ...] | None
    quotas: Mapping[str, list[Json]]


class Capacity:
    """The capacity of one cluster, read every 30 s at most, and once for all who ask."""

    def __init__(
        self,
        cluster: Cluster,
        namespaces: Sequence[str],
        served: frozenset[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster = cluster
        self._namespaces = namespaces
        self.served = served
        self._clock = clock
        self._reading: asyncio.Task[Reading] | None = None
        self._read_at = 0.0

    async def capacity(self) -> dict[str, object]:
        """Return the capacity; who gives up waiting may find it ready the next time. Raises ApiError, Unreachable."""
        return (await self.read()).shown

    async def read(self, kept_s: float = KEPT_S) -> Reading:
        """Return what was read less than ``kept_s`` ago, or is read now. Raises ApiError, Unreachable."""
        if self._reading is None or self._is_old(self._reading, kept_s):
            reading = read(self._cluster, self._namespaces, self.served)
            self._reading = asyncio.create_task(reading, name="capacity of the cluster")
            self._reading.add_done_callback(self._done)
        return await asyncio.shield(self._reading)

    async def close(self) -> None:
        """Stop reading."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])

    def _is_old(self, reading: asyncio.Task[Reading], kept_s: float) -> bool:
        return reading.done() and (
            reading.cancelled() or reading.exception() is not None or self._clock() - self._read_at >= kept_s
        )

    def _done(self, reading: asyncio.Task[Reading]) -> None:
        self._read_at = self._clock()
        if not reading.cancelled():
            reading.exception()  # it may be that nobody waits for it any more


async def capacity(cluster: Cluster, namespaces: Iterable[str], served: frozenset[str]) -> dict[str, object]:
    """Return what `read` has for people."""
    return (await read(cluster, namespaces, served)).shown


async def read(cluster: Cluster, namespaces: Iterable[str], served: frozenset[str]) -> Reading:
    """Read what the nodes have (total, used, free), the quotas of the namespaces and, with Kueue, the queues.

    Units are cores, bytes and pieces; the amounts of quotas and queues are Kubernetes quantities. What may not be read
    is null, and ``note`` names the right that is missing. Raises ApiError, Unreachable.
    """
    names, notes = list(namespaces), list[str]()
    nodes = await _nodes(cluster, notes)
    used = await _used(cluster, nodes, notes) if nodes is not None else None
    found, quotas = _room(nodes, used), dict[str, list[Json]]()
    every = await _in_namespaces(cluster, names, "/api/v1", "resourcequotas", lambda item: item, notes, quotas)
    found["quotas"] = None if every is None else list(map(_quota, every))
    if "LocalQueue" in served:
        root = f"/apis/{KUEUE}/{await kueue_version(cluster)}"
        found["queues"] = await _in_namespaces(cluster, names, root, "localqueues", _queue, notes, {})
    shown = found | ({"note": "; ".join(notes)} if notes else {})
    if nodes is not None and used is not None:
        nodes = {name: replace(node, free=_left(node.room, used.get(name, {}))) for name, node in nodes.items()}
    return Reading(shown, None if nodes is None else tuple(nodes.values()), quotas)


async def _nodes(cluster: Cluster, notes: list[str]) -> dict[str, Node] | None:
    try:
        return {
            node["metadata"]["name"]: _node(node)
            async for node in _items(cluster, "/api/v1/nodes", "nodes")
            if _takes_pods(node)
        }
    except _NotCounted as error:
        notes.append(f"the size of the nodes is unknown: {error}")
        return None


def _node(raw: Json) -> Node:
    allocatable = (raw.get("status") or {}).get("allocatable") or {}
    taints = (raw.get("spec") or {}).get("taints") or ()
    return Node(
        room=amounts(allocatable) | {"pods": amount_of(allocatable.get("pods", "0"))},
        free=None,
        labels=raw["metadata"].get("labels") or {},
        taints=tuple(taint for taint in taints if taint.get("effect") in _KEEPS_OUT),
    )


async def _used(cluster: Cluster, nodes: dict[str, Node], notes: list[str]) -> dict[str, Amounts] | None:
    used: dict[str, Amounts] = {}
    try:
        async for pod in _items(cluster, "/api/v1/pods", "pods", fieldSelector=_FIT):
            if (node := pod["spec"]["nodeName"]) in nodes:
                used[node] = total((used.get(node, {}), requests_of(pod), _ONE))
    except _NotCounted as error:
        notes.append(f"what is free is unknown: {error}")
        return None
    return used


def _takes_pods(node: Json) -> bool:
    """Return whether training could be put on a node: it is ready, not cordoned and not of the control plane."""
    spec = node.get("spec") or {}
    conditions = (node.get("status") or {}).get("conditions") or ()
    ready = any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)
    return (
        ready
        and not spec.get("unschedulable")
        and not any(taint["key"] in _CONTROL_PLANE for taint in spec.get("taints") or ())
    )


def _room(nodes: dict[str, Node] | None, used: dict[str, Amounts] | None) -> dict[str, object]:
    if nodes is None:
        return {"nodes": None, "cpu": None, "memory": None, "gpus": None}
    has = total(node.room for node in nodes.values())
    taken = None if used is None else total(used.values())
    # Node by node: what is overfull on one is not free on another.
    free = None if used is None else total(_left(node.room, used.get(name, {})) for name, node in nodes.items())

    def figures(name: str) -> dict[str, object]:
        each = {"total": has, "used": taken, "free": free}
        return {key: None if found is None else _number(found.get(name, Decimal(0))) for key, found in each.items()}

    gpus = {name: figures(name) for name in sorted(has) if is_gpu(name)}
    return {"nodes": len(nodes), "cpu": figures("cpu"), "memory": figures("memory"), "gpus": gpus}


def _left(room: Amounts, taken: Amounts) -> Amounts:
    return {name: max(Decimal(0), amount - taken.get(name, Decimal(0))) for name, amount in room.items()}


def _number(amount: Decimal) -> int | float:
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def _quota(item: Json) -> Json:
    status = item.get("status") or {}
    return {**_place(item), "hard": status.get("hard") or {}, "used": status.get("used") or {}}


def _queue(item: Json) -> Json:
    status = item.get("status") or {}
    return {
        **_place(item),
        "clusterQueue": (item.get("spec") or {}).get("clusterQueue"),
        "pending": status.get("pendingWorkloads", 0),
        "admitted": status.get("admittedWorkloads", 0),
        "reserved": _flavors(status.get("flavorsReservation")),
        # v1beta1 has the first name, v1beta2 the second.
        "used": _flavors(status.get("flavorUsage") or status.get("flavorsUsage")),
    }


def _flavors(usage: list[Json] | None) -> dict[str, dict[str, object]]:
    return {
        flavor["name"]: {item["name"]: item.get("total", "0") for item in flavor.get("resources") or ()}
        for flavor in usage or ()
    }


def _place(item: Json) -> Json:
    return {"namespace": item["metadata"]["namespace"], "name": item["metadata"]["name"]}


async def _in_namespaces(
    cluster: Cluster,
    namespaces: list[str],
    root: str,
    plural: str,
    project: Callable[[Json], Json],
    notes: list[str],
    each: dict[str, list[Json]],
) -> list[Json] | None:
    """Return what all namespaces have, and put it into ``each``; None if none of them may be read."""
    found: list[Json] = []
    unread = 0
    for namespace in namespaces:
        try:
            path = f"{root}/namespaces/{namespace}/{plural}"
            each[namespace] = [project(item) async for item in _items(cluster, path, plural, namespace)]
            found += each[namespace]
        except _NotCounted as error:
            notes.append(f"{plural} are not shown: {error}")
            unread += 1
    return None if namespaces and unread == len(namespaces) else found


async def _items(
    cluster: Cluster, path: str, plural: str, namespace: str | None = None, **params: str
) -> AsyncIterator[Json]:
    """Yield the raw objects of a list, page by page."""
    token: str | None = None
    for _ in range(MAX_PAGES):
        query = {"limit": str(PAGE), **params, **({"continue": token} if token else {})}
        try:
            page = await cluster.call("GET", path, params=query)
        except ApiError as error:
            if error.status != 403:
                raise
            where, role = (f"in namespace {namespace}", _ROLE) if namespace else ("of the whole cluster", CLUSTER_WIDE)
            raise _NotCounted(f"this server may not list {plural} {where} ({role})") from error
        for item in page.get("items") or ():
            yield item
        token = (page.get("metadata") or {}).get("continue")
        if not token:
            return
        await asyncio.sleep(0)
    raise _NotCounted(f"there are more than {MAX_PAGES * PAGE} {plural}")
