"""Whether the nodes have room for the pods of an experiment.

The scheduler puts one pod after the other where it likes best. What is said holds wherever it puts them: there is room
if each pod finds some after all others, there is none if one kind of pod alone finds too little.
https://kubernetes.io/docs/concepts/scheduling-eviction/kube-scheduler/
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from submarine_jupyter.models import RuntimeSpec, Toleration
from submarine_jupyter_server.targets.kubernetes.capacity.cluster_capacity import CLUSTER_WIDE, Node
from submarine_jupyter_server.targets.kubernetes.capacity.pod_requests import Amounts
from submarine_jupyter_server.targets.kubernetes.raw_json import Json
from submarine_jupyter_server.targets.kubernetes.state.reasons.trouble import cut
from submarine_jupyter_server.targets.protocol import Forecast, Verdict

from .pods import PodSet

_ONE_POD = {"pods": Decimal(1)}


def on_nodes(pods: Sequence[PodSet], nodes: Sequence[Node] | None, runtime: RuntimeSpec) -> Forecast:
    """Return whether all pods find room; ``nodes`` is None where they may not be read."""
    if nodes is None:
        return _unread("nodes")
    if unknown := sorted({name for each in pods for name in each.unknown}):
        return Forecast(None, f"how much {unknown[0]} the nodes have is not known")
    selector = runtime.node_selector or {}
    meant = [node for node in nodes if all(node.labels.get(key) == value for key, value in selector.items())]
    if not meant:
        wanted = cut(",".join(f"{key}={value}" for key, value in selector.items()), 100)
        as_wanted = f" as runtime.nodeSelector wants them ({wanted})" if wanted else ""
        return Forecast(Verdict.NEVER, f"the cluster has no nodes that take pods{as_wanted}")
    if (found := _too_large(pods, meant)) is not None:
        return found
    if any(node.free is None for node in meant):
        return _unread("pods")
    return _among(pods, meant, runtime)


def _among(pods: Sequence[PodSet], meant: Sequence[Node], runtime: RuntimeSpec) -> Forecast:
    """Return whether all pods find room on the nodes that are ``meant`` for them, as far as these let them in."""
    allowed = [node for node in meant if _is_open(node, runtime.tolerations or ())]
    found, most = _fitting(pods, allowed), _fitting(pods, meant)
    if found.verdict is not most.verdict and found.verdict is not Verdict.NOW:
        return Forecast(None, "nodes that have room are reserved for others (by a taint), and it may have to wait")
    if found.verdict is Verdict.WAITS and runtime.priority:
        return Forecast(None, f"{found.why}; whether others make room for its priority is not known")
    return found


def _unread(what: str) -> Forecast:
    why = f"what is free on the nodes is not known: this server may not list {what} of the whole cluster"
    return Forecast(None, f"{why} ({CLUSTER_WIDE})")


def _too_large(pods: Sequence[PodSet], nodes: Sequence[Node]) -> Forecast | None:
    for each in pods:
        if not any(_slots(node.room, each.requests) for node in nodes):
            why = f"a {each.role} asks for {each.text}, and no node of the cluster has so much"
            return Forecast(Verdict.NEVER, why)
    return None


def _fitting(pods: Sequence[PodSet], nodes: Sequence[Node]) -> Forecast:
    for each in pods:
        free = _all_slots(nodes, each.requests)
        if free < each.count:
            some = f"the nodes have room for {free} of {each.count} {each.role}s" if free else "no node has"
            return Forecast(Verdict.WAITS, f"{some} with {each.text}" if free else f"{some} {each.text} free")
    if _all_slots(nodes, _largest(pods)) >= sum(each.count for each in pods):
        return Forecast(Verdict.NOW, "the nodes have room for it")
    return Forecast(None, "the nodes have room for it only if the cluster distributes its replicas well")


def _largest(pods: Sequence[PodSet]) -> Amounts:
    """Return the most of each resource that one of the pods asks for."""
    names = {name for each in pods for name in each.requests}
    return {name: max(each.requests.get(name, Decimal(0)) for each in pods) for name in names}


def _all_slots(nodes: Iterable[Node], asked: Amounts) -> int:
    return sum(_slots(node.free or {}, asked) for node in nodes)


def _slots(room: Amounts, asked: Amounts) -> int:
    """Return how many pods that ask for so much find room."""
    each = {name: amount for name, amount in (asked | _ONE_POD).items() if amount}
    return max(0, int(min(room.get(name, Decimal(0)) // amount for name, amount in each.items())))


def _is_open(node: Node, tolerations: Iterable[Toleration]) -> bool:
    return all(any(_tolerates(one, taint) for one in tolerations) for taint in node.taints)


def _tolerates(toleration: Toleration, taint: Json) -> bool:
    if toleration.effect not in (None, taint.get("effect")) or toleration.key not in (None, taint.get("key")):
        return False
    return toleration.operator == "Exists" or (toleration.value or "") == (taint.get("value") or "")
