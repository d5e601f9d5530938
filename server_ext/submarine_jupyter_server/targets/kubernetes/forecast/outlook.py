"""Whether an experiment would start now, from all that is known, and what would start in its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from submarine_jupyter.models import RuntimeSpec, Toleration
from submarine_jupyter.spec.resources import quantity
from submarine_jupyter_server.targets.kubernetes.capacity.cluster_capacity import Node
from submarine_jupyter_server.targets.kubernetes.raw_json import Json
from submarine_jupyter_server.targets.protocol import Ahead, Forecast, Verdict

from .nodes import on_nodes
from .pods import PodSet
from .queues import Queue, through
from .quotas import under

_ORDER = (Verdict.NEVER, Verdict.WAITS, None, Verdict.NOW)
_DEVICES = ("4", "2", "1")
_LESS = {
    "cpu": ("64", "32", "16", "8", "4", "2", "1", "500m", "250m"),
    "memory": ("256Gi", "128Gi", "64Gi", "32Gi", "16Gi", "8Gi", "4Gi", "2Gi", "1Gi", "512Mi", "256Mi"),
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a cluster for one experiment: ``nodes`` and ``quotas`` are None where they may not be read.

    ``queue`` is None where it goes into none; ``waiting`` are our own experiments that wait there, in order.
    """

    runtime: RuntimeSpec
    nodes: Sequence[Node] | None
    quotas: Sequence[Json] | None
    queue: Queue | None = None
    waiting: tuple[str, ...] = ()


def outlook(facts: Facts, pods: Sequence[PodSet]) -> Forecast:
    """Return what comes of an experiment that is submitted now, with what would start in its place.

    With many nodes it takes a while.
    """
    found = _judged(facts, pods)
    if found.verdict is Verdict.NOW:
        return found
    if facts.queue is not None and facts.queue.pending is not None and found.verdict is not Verdict.NEVER:
        found = replace(found, ahead=Ahead(facts.queue.pending, facts.waiting[: facts.queue.pending]))
    if found.verdict is None:
        return found
    fits = _fits(facts, pods)
    if fits is None:
        return found
    each = " for each replica" if sum(one.count for one in pods) > 1 else ""
    return replace(found, why=f"{found.why}; with {fits}{each} it would start now", fits=fits)


def _judged(facts: Facts, pods: Sequence[PodSet]) -> Forecast:
    """Return the worst of what quotas, queue and nodes say: all of them have to let it through."""
    runtime = facts.runtime
    if facts.quotas is None:
        said = [Forecast(None, "this server may not list the quotas of its namespace (docs/deploy/role.yaml)")]
    else:
        said = list(under(facts.quotas, pods))
    if facts.queue is not None:
        said.append(through(facts.queue, pods, runtime.priority))
        runtime = _on_flavor(runtime, facts.queue)
    if any(volume.persistent_volume_claim for volume in runtime.volumes or ()):
        said.append(Forecast(None, "whether nodes with room for it reach its volume claims is not known"))
    said.append(on_nodes(pods, facts.nodes, runtime))
    return min(said, key=lambda found: _ORDER.index(found.verdict))


def _on_flavor(runtime: RuntimeSpec, queue: Queue) -> RuntimeSpec:
    """Return what chooses the nodes when a queue puts pods on those of its flavor."""
    if len(queue.flavors) != 1:
        return runtime
    spec = queue.flavors[0].get("spec") or {}
    more = [Toleration.model_validate(item) for item in spec.get("tolerations") or ()]
    labels = {**(runtime.node_selector or {}), **(spec.get("nodeLabels") or {})}
    return runtime.model_copy(update={"node_selector": labels, "tolerations": [*(runtime.tolerations or []), *more]})


def _fits(facts: Facts, pods: Sequence[PodSet]) -> str | None:
    """Return the most that could be asked for instead: less of one thing, else of cpu and memory; None: nothing."""
    steps = _steps(pods)

    def starts(less: Mapping[str, str]) -> bool:
        amounts = {name: quantity(text) for name, text in less.items()}
        return _judged(facts, [each.with_amounts(amounts) for each in pods]).verdict is Verdict.NOW

    for names in (*((name,) for name in steps), ("cpu", "memory")):
        if not all(name in steps for name in names):
            continue
        chosen = {name: steps[name][-1] for name in names}
        if not starts(chosen):
            continue
        for name in names:  # the more of one, with the least of the others
            chosen[name] = next(text for text in steps[name] if starts(chosen | {name: text}))
        return ",".join(f"{name}={text}" for name, text in chosen.items())
    return None


def _steps(pods: Sequence[PodSet]) -> dict[str, list[str]]:
    """Return smaller amounts of each resource, from much to little."""
    found = {}
    for name in dict.fromkeys(name for each in pods for name in each.requests):
        most = max(each.requests.get(name, Decimal(0)) for each in pods)
        if less := [text for text in _LESS.get(name, _DEVICES) if quantity(text) < most]:
            found[name] = less
    return found
