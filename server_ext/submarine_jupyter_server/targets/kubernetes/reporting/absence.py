"""Why an object of an experiment is not on the cluster: from what the API server says around it, and how it went.

Absence alone says nothing of who did it. A time to live, a removed kind or namespace, an orphaning deletion and a
person leave different traces, and after some causes there is none: then the reason says that it is not known.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from submarine_jupyter.errors import TargetUnavailable
from submarine_jupyter_server.targets.kubernetes.api.cluster import ApiError, Cluster, Unreachable
from submarine_jupyter_server.targets.kubernetes.api.discovery import serves
from submarine_jupyter_server.targets.kubernetes.api.paths import collection, path_of
from submarine_jupyter_server.targets.kubernetes.api.verdicts import Verdict, judged, meaning
from submarine_jupyter_server.targets.kubernetes.manifests.recognition.metadata import EXPERIMENT_LABEL
from submarine_jupyter_server.targets.kubernetes.orders.create import owner_of
from submarine_jupyter_server.targets.kubernetes.raw_json import Json
from submarine_jupyter_server.targets.kubernetes.state import projection
from submarine_jupyter_server.targets.protocol import Absence, ObjectRef

# A missing object is asked for at most so often at a time: with a namespace a thousand may go at once.
_AT_ONCE = 8
_MOST_PODS = 500
_MOST_NAMED = 5
_NAMESPACE = "somebody deleted the namespace '{}', and all in it"
# The first that holds is told.
_REASONS = (
    "KindRemoved", "NamespaceDeleted", "Orphaned", "Replaced", "ResultNotKept", "ExternallyDeleted", "Lost"
)  # fmt: skip
# What controllers note about an object that has ended: of Jobs, of JobSets; and how those of the Training Operator end.
_ENDED = frozenset(
    {
        "Completed", "BackoffLimitExceeded", "DeadlineExceeded", "FailedIndexes", "MaxFailedIndexesExceeded",
        "PodFailurePolicy", "AllJobsCompleted", "FailedJobs", "ReachedMaxRestarts", "FailJobSetFailurePolicyAction",
    }
)  # fmt: skip
_OPERATOR_ENDED = ("JobSucceeded", "JobFailed")


@dataclass(frozen=True, slots=True)
class Trace:
    """How an object went. ``watched``: this server observed it without a pause until then.

    ``ended``, ``expires``: it had ended, and had a time to live, when it was last observed.
    """

    watched: bool = False
    ended: bool = False
    expires: bool = False


@dataclass(frozen=True, slots=True)
class Orphans:
    """Pods that run on without what made them: the ``replicas``, and the ``objects`` (``pod/name``) to delete."""

    replicas: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What the API server says around an object that it does not have.

    ``replaced``: another one has its name. ``ended``: what its controller noted of its end, within the hour that events
    are kept. ``readable`` is false where this server may not read it any more; then nothing else is known either.
    """

    served: bool = True
    namespace_deleted: bool = False
    replaced: bool = False
    orphans: Orphans = Orphans()
    ended: str | None = None
    readable: bool = True


def decide(ref: ObjectRef, facts: Facts, trace: Trace) -> Absence:
    """Return why an object is not there. Raises TargetUnavailable where not even that is certain."""
    kind, one = ref.kind, f"the {ref.kind} {ref.name}"
    tail = _end_of(facts, trace)
    if not facts.served:
        return Absence(
            "KindRemoved", f"an administrator removed {kind} from the cluster, and all {kind}s with it{tail}"
        )
    if facts.namespace_deleted:
        return Absence("NamespaceDeleted", f"{_NAMESPACE.format(ref.namespace)}{tail}")
    if facts.orphans.objects:
        return Absence("Orphaned", _orphaned(ref, facts.orphans))
    if facts.replaced:
        message = f"somebody put another {kind} in the place of {ref.name}, which is left alone{tail}"
        return Absence("Replaced", message)
    if trace.watched and not facts.readable:
        where = f"and this server may no longer read namespace '{ref.namespace}'"
        return Absence("Lost", f"{one} was removed from the cluster, {where}: who did it is not known")
    if trace.watched and not trace.ended:
        return Absence("ExternallyDeleted", f"somebody deleted {one} from the cluster")
    if not facts.readable:
        raise TargetUnavailable(f"this server may not read namespace '{ref.namespace}' now", reason="NoPermission")
    if facts.ended is not None:
        return Absence("ResultNotKept", f"{one} ended and was removed while this server was away{tail}")
    if trace.ended or trace.expires:
        how = " after its time to live" if trace.expires else ""
        why = f"and was removed{how}; how it ended is not known"
        return Absence("ResultNotKept", f"{one} ended while this server did not observe it, {why}")
    unknown = "whether it had ended, and who removed it, is not known"
    return Absence("Lost", f"{one} disappeared from the cluster while this server was away: {unknown}")


def decisive(*found: Absence) -> Absence:
    """Return the trace that says most: a namespace is gone with all traces soon, a kind keeps its name for seconds."""
    return min(found, key=lambda absence: _REASONS.index(absence.reason))


class Absences:
    """Asks one cluster why something is not there."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def why(self, ref: ObjectRef, experiment_id: str, trace: Trace) -> Absence | None:
        """Return why an object is not there, None if it is. Raises TargetUnavailable: then nothing is known."""
        async with self._room:
            try:
                facts = await self._facts(ref, experiment_id)
            except (ApiError, Unreachable) as error:
                raise TargetUnavailable(str(meaning(error, "GET"))) from error
        return None if facts is None else decide(ref, facts, trace)

    async def doomed(self, ref: ObjectRef) -> Absence | None:
        """Return that the namespace of an object is being deleted; None if it is not, or is not known to be."""
        async with self._room:
            try:
                deleted = await self._namespace_deleted(ref)
            except Unreachable:
                return None
        return Absence("NamespaceDeleted", _NAMESPACE.format(ref.namespace)) if deleted else None

    async def _facts(self, ref: ObjectRef, experiment_id: str) -> Facts | None:
        replaced = False
        try:
            found = await self._cluster.call("GET", path_of(ref))
            if found["metadata"]["uid"] == ref.uid:
                return None
            replaced = True
        except ApiError as error:
            verdict, reason = judged(error, "GET")
            if reason == "NoPermission":
                return Facts(readable=False)
            if reason == "KindGone" and not await serves(self._cluster, path_of(ref)):
                return Facts(served=False)
            if verdict is not Verdict.GONE:
                raise
        deleted, orphans, ended = await asyncio.gather(
            self._namespace_deleted(ref),
            self._orphans(ref, experiment_id),
            self._ended(ref),
        )
        return Facts(namespace_deleted=deleted, replaced=replaced, orphans=orphans, ended=ended)

    async def _namespace_deleted(self, ref: ObjectRef) -> bool:
        """Return whether a namespace takes nothing new for ever: asked so, it needs no right beyond those there are."""
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": ref.name, "namespace": ref.namespace}}
        path = collection("v1", "configmaps", ref.namespace)
        try:
            await self._cluster.call("POST", path, params={"dryRun": "All"}, body=body)
        except ApiError as error:
            return judged(error, "POST")[1] in ("NamespaceTerminating", "NoNamespace")
        return False

    async def _orphans(self, ref: ObjectRef, experiment_id: str) -> Orphans:
        """Return the pods that nobody will end: their owner is gone and Kubernetes was told to let them be."""
        pods, jobs = await asyncio.gather(
            self._list(collection("v1", "pods", ref.namespace), experiment_id),
            self._list(collection("batch/v1", "jobs", ref.namespace), experiment_id),
        )
        # The Jobs of a JobSet are left as its pods are; one of the same name is another one.
        left = {_meta(job, "uid"): _meta(job, "name") for job in jobs if owner_of(job) is None}
        replicas, objects = set(), set()
        for pod in pods:
            owner, replica = owner_of(pod), _running(pod, experiment_id)
            if replica is not None and (owner is None or left.get(owner, ref.name) != ref.name):
                replicas.add(replica)
                objects.add(f"pod/{_meta(pod, 'name')}" if owner is None else f"job/{left[owner]}")
        return Orphans(tuple(sorted(replicas)), tuple(sorted(objects)))

    async def _list(self, path: str, experiment_id: str) -> list[Json]:
        params = {"labelSelector": f"{EXPERIMENT_LABEL}={experiment_id}", "limit": str(_MOST_PODS)}
        return await self._items(path, params)

    async def _ended(self, ref: ObjectRef) -> str | None:
        params = {"fieldSelector": f"involvedObject.uid={ref.uid}", "limit": "50"}
        events = [
            projection.event(item) for item in await self._items(collection("v1", "events", ref.namespace), params)
        ]
        ends = [event for event in events if event.reason in _ENDED or event.reason.endswith(_OPERATOR_ENDED)]
        last = max(ends, key=lambda event: event.at_ms, default=None)
        return None if last is None else f"{last.reason}: {last.message[:200]}" if last.message else last.reason

    async def _items(self, path: str, params: dict[str, str]) -> list[Json]:
        try:
            return list((await self._cluster.call("GET", path, params=params)).get("items") or ())
        except ApiError as error:
            if error.status == 403:
                return []  # it says less then
            raise


def _end_of(facts: Facts, trace: Trace) -> str:
    """Return what is known of the end of something that went while nobody watched it."""
    if facts.ended is not None:
        return f"; what the cluster noted last of it is {facts.ended!r}"
    return "" if trace.watched else "; whether it had ended by then is not known"


def _orphaned(ref: ObjectRef, orphans: Orphans) -> str:
    names, objects = orphans.replicas, orphans.objects
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    who = f"{', '.join(names[:_MOST_NAMED])}{more} {'runs' if len(names) == 1 else 'run'} on"
    rest = " ..." if len(objects) > _MOST_NAMED else ""
    command = f"kubectl delete -n {ref.namespace} {' '.join(objects[:_MOST_NAMED])}{rest}"
    return (
        f"somebody deleted the {ref.kind} {ref.name} and left its pods: {who}. "
        f"This server may not delete pods; to end them: {command}"
    )


def _meta(item: Json, name: str) -> str:
    return str(item["metadata"][name])


def _running(raw: Json, experiment_id: str) -> str | None:
    """Return which replica a pod is, None if it is ending, has ended or is none."""
    try:
        pod = projection.pod(raw)
    except ValueError:
        return None
    runs = pod.phase in ("Running", "Pending") and not pod.deleting
    return pod.replica if runs and pod.experiment_id == experiment_id else None
