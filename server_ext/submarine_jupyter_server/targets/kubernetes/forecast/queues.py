"""Whether a queue of Kueue would let an experiment in.

What can be said is said with the sentences for what waits there (`state/reasons`): they are made of Kueue's own words.
https://kueue.sigs.k8s.io/docs/concepts/cluster_queue/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from submarine_jupyter_server.targets.kubernetes.api.cluster import ApiError, Cluster
from submarine_jupyter_server.targets.kubernetes.api.discovery import KUEUE, kueue_version
from submarine_jupyter_server.targets.kubernetes.capacity.cluster_capacity import CLUSTER_WIDE
from submarine_jupyter_server.targets.kubernetes.capacity.pod_requests import Amounts, amount_of
from submarine_jupyter_server.targets.kubernetes.raw_json import Json
from submarine_jupyter_server.targets.kubernetes.state.reasons.quota import what_is_missing, why_not
from submarine_jupyter_server.targets.kubernetes.state.reasons.trouble import Rank, cut
from submarine_jupyter_server.targets.kubernetes.state.views import Condition
from submarine_jupyter_server.targets.protocol import Forecast, Verdict

from .pods import PodSet, together, written


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue as it was read: ``local`` is its LocalQueue, ``behind`` the ClusterQueue; None where that is not there.

    ``unread`` names what may not be read of it, ``kept`` is whether there is a Kueue at all.
    """

    name: str
    local: Json | None
    behind: Json | None = None
    flavors: tuple[Json, ...] = ()
    unread: str | None = None
    kept: bool = True

    @property
    def shown(self) -> str:
        """Return its name for a sentence."""
        return f"the queue '{cut(self.name, 63)}'"

    @property
    def pending(self) -> int | None:
        """Return how many wait for the same quota, None where that is not known."""
        if self.local is None:
            return None
        status = (self.local if self.behind is None else self.behind).get("status") or {}
        return int(status.get("pendingWorkloads", 0))


async def read(cluster: Cluster, namespace: str, name: str) -> Queue:
    """Read a queue, and what is behind it, as far as this server may. Raises ApiError, Unreachable."""
    if (version := await kueue_version(cluster)) is None:
        return Queue(name, None, kept=False)
    root = f"/apis/{KUEUE}/{version}"
    local = await _get(cluster, f"{root}/namespaces/{namespace}/localqueues/{name}")
    if not local:
        return Queue(name, None, unread=None if local is None else "localqueues")
    behind = await _get(cluster, f"{root}/clusterqueues/{(local.get('spec') or {}).get('clusterQueue')}")
    if not behind:
        return Queue(name, local, unread=None if behind is None else "clusterqueues")
    flavors = []
    for flavor in _flavors(behind):
        if not (found := await _get(cluster, f"{root}/resourceflavors/{flavor['name']}")):
            return Queue(name, local, behind, unread="resourceflavors")
        flavors.append(found)
    return Queue(name, local, behind, tuple(flavors))


async def _get(cluster: Cluster, path: str) -> Json | None:
    """Return an object, empty where it may not be read; None if it is not there."""
    try:
        return await cluster.call("GET", path)
    except ApiError as error:
        if error.status == 403:
            return {}
        if error.status == 404:
            return None
        raise


def through(queue: Queue, pods: Sequence[PodSet], priority: str | None) -> Forecast:
    """Return whether a queue would let all pods in now."""
    if not queue.kept:
        return Forecast(Verdict.NEVER, f"it would wait in {queue.shown}, but this cluster has no queues (no Kueue)")
    if queue.local is None and queue.unread is None:
        return _said(queue, f"LocalQueue {queue.name} doesn't exist")
    if queue.local is not None and (found := _closed(queue, queue.local)) is not None:
        return found
    if queue.behind is None:
        return Forecast(None, f"whether {queue.shown} has room is not known: {_unread(queue)}")
    return _within(queue, queue.behind, pods, priority)


def _unread(queue: Queue) -> str:
    return f"this server may not get {queue.unread} ({CLUSTER_WIDE})"


def _closed(queue: Queue, local: Json) -> Forecast | None:
    """Return why a queue lets nobody in now, None if it is open."""
    behind = (local.get("spec") or {}).get("clusterQueue")
    if _is_held(local):
        return _said(queue, f"LocalQueue {queue.name} is stopped")
    if queue.behind is None and queue.unread is None:
        return _said(queue, f"ClusterQueue {behind} doesn't exist")
    if queue.behind is not None and _is_held(queue.behind):
        return _said(queue, f"ClusterQueue {behind} is stopped")
    for item in (local, queue.behind or {}):
        conditions = (item.get("status") or {}).get("conditions") or ()
        if any(one["type"] == "Active" and one["status"] == "False" for one in conditions):
            return _said(queue, f"ClusterQueue {behind} is inactive")
    return None


def _is_held(item: Json) -> bool:
    return (item.get("spec") or {}).get("stopPolicy") not in (None, "None")


def _within(queue: Queue, behind: Json, pods: Sequence[PodSet], priority: str | None) -> Forecast:
    """Return whether the quota of a ClusterQueue has room."""
    spec, asked = behind["spec"], together(pods)
    groups = spec.get("resourceGroups") or ()
    covered = {name for group in groups for name in group["coveredResources"]}
    for name in sorted(asked.keys() - covered - {"pods"}):
        return _said(queue, f"resource {name} unavailable in ClusterQueue")
    if spec.get("namespaceSelector") != {}:
        return Forecast(None, f"whether {queue.shown} takes anything of this namespace is not known")
    if shared := spec.get("cohort") or spec.get("cohortName"):
        why = f"{queue.shown} shares its quota with others ({cut(shared, 63)})"
        return Forecast(None, f"{why}, and whether there is room is not known")
    reserved = {one["name"]: _totals(one) for one in (behind.get("status") or {}).get("flavorsReservation") or ()}
    short = [found for group in groups if (found := _shortage(group, asked, reserved)) is not None]
    if short:
        makes_room = (spec.get("preemption") or {}).get("withinClusterQueue") not in (None, "Never")
        return _waits(queue, min(short, key=_is_worse), priority if makes_room else None)
    if open_question := _open_question(queue, spec):
        return Forecast(None, f"{queue.shown} has quota for it, but {open_question}")
    return Forecast(Verdict.NOW, f"{queue.shown} has quota for it")


def _open_question(queue: Queue, spec: Json) -> str | None:
    """Return why it is not known whether a queue lets in now what it has quota for."""
    if queue.pending:
        return f"{queue.pending} wait there already"
    if queue.unread:
        return _unread(queue)
    if spec.get("admissionChecks") or spec.get("admissionChecksStrategy"):
        return "lets it in only once the cluster has checked it"
    chosen = [flavor.get("spec") or {} for flavor in queue.flavors]
    one_of_several = len(chosen) > 1 and any(flavor.get("nodeLabels") for flavor in chosen)
    if one_of_several or any(flavor.get("nodeTaints") for flavor in chosen):
        return "which nodes it gives is known only once it starts"
    return None


def _waits(queue: Queue, message: str, priority: str | None) -> Forecast:
    found = _said(queue, message)
    if found.verdict is not Verdict.WAITS or not priority:
        return found
    return Forecast(None, f"{found.why}; whether others make room for its priority is not known")


def _shortage(group: Json, asked: Amounts, reserved: Mapping[str, Amounts]) -> str | None:
    """Return what Kueue says where no flavor of a group has enough left; None if one has."""
    wanted = {name: asked[name] for name in group["coveredResources"] if asked.get(name)}
    said = []
    for flavor in group.get("flavors") or ():
        most, used = _nominal(flavor), reserved.get(flavor["name"], {})
        problems = [
            _insufficient(name, flavor["name"], amount, most.get(name, Decimal(0)), used.get(name, Decimal(0)))
            for name, amount in wanted.items()
            if amount + used.get(name, Decimal(0)) > most.get(name, Decimal(0))
        ]
        if not problems:
            return None
        said.append(min(problems, key=_is_worse))
    return f"couldn't assign flavors to pod set main: {', '.join(said)}" if wanted else None


def _is_worse(problem: str) -> bool:
    """Sort what never fits before what only has to wait."""
    return "maximum capacity" not in problem


def _insufficient(name: str, flavor: str, asked: Decimal, most: Decimal, used: Decimal) -> str:
    """Return the words of Kueue for what a flavor lacks."""
    if asked > most:
        return (
            f"insufficient quota for {name} in flavor {flavor}, previously considered podsets requests (0)"
            f" + current podset request ({written(name, asked)}) > maximum capacity ({written(name, most)})"
        )
    missing = written(name, asked + used - most)
    return f"insufficient unused quota for {name} in flavor {flavor}, {missing} more needed"


def _said(queue: Queue, message: str) -> Forecast:
    """Return what is said of an experiment that waits with such a message of Kueue."""
    condition, name = Condition("QuotaReserved", False, "Pending", message), cut(queue.name, 63)
    trouble = why_not(condition, name)
    if trouble is None:
        return Forecast(Verdict.WAITS, f"it waits in {queue.shown}{what_is_missing(condition)}")
    return Forecast(Verdict.NEVER if trouble.rank is Rank.NEVER else Verdict.WAITS, trouble.sentence)


def _flavors(behind: Json) -> list[Json]:
    return [flavor for group in behind["spec"].get("resourceGroups") or () for flavor in group.get("flavors") or ()]


def _nominal(flavor: Json) -> Amounts:
    return {one["name"]: amount_of(str(one.get("nominalQuota", "0"))) for one in flavor.get("resources") or ()}


def _totals(flavor: Json) -> Amounts:
    return {one["name"]: amount_of(str(one.get("total", "0"))) for one in flavor.get("resources") or ()}
