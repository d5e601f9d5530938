"""Projections: raw JSON of the API server -> view.

Who an object is must be there and in order, else ValueError. All the rest is taken as it comes: what is missing, or of
another type than documented, counts as not said. Which experiment, role and index it has is read from its name, which
nobody can change; labels and annotations anybody may.
https://kubernetes.io/docs/reference/kubernetes-api/
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from sys import intern
from typing import Any

from submarine_jupyter.spec import experiment_ids
from submarine_jupyter.spec.vocabulary import FRAMEWORKS
from submarine_jupyter_server.targets.kubernetes.manifests import OWN_KINDS
from submarine_jupyter_server.targets.kubernetes.manifests.recognition.metadata import PREFIX, QUEUE_LABEL
from submarine_jupyter_server.targets.kubernetes.manifests.recognition.seal import SEAL
from submarine_jupyter_server.targets.kubernetes.raw_json import (
    MOST,
    Json,
    as_object,
    count,
    items,
    need,
    number,
    part,
    parts,
    tail,
    text,
    time_ms,
)

from .views import Condition, ContainerView, EventView, JobView, PodView, WorkloadView

# Of an operator ID-worker-0, of a Job ID-worker-0-x2x4z, of a JobSet ID-worker-0-0-x2x4z.
_POD = re.compile(
    rf"({experiment_ids.PATTERN})-([a-z]{{1,20}})-(?:([0-9]{{1,9}})(?:-[a-z0-9]{{5}})?|0-([0-9]{{1,9}})-[a-z0-9]{{5}})"
)
# The own object ID, a Job of plain ones ID-worker, one of a JobSet ID-worker-0.
_JOB = re.compile(rf"({experiment_ids.PATTERN})(?:-([a-z]{{1,20}})(-0)?)?")
# Of Kubernetes itself: they go by themselves.
_FINALIZERS = ("foregroundDeletion", "orphan", "batch.kubernetes.io/job-tracking")
_EXPLAINING = ("PodScheduled", "DisruptionTarget", "Ready")
# A kubelet always gives a reason; the controller of nodes, which takes a pod's word back for it, gives none of its own.
_OF_LOST_NODES = ("", "NodeNotReady", "NodeStatusUnknown", "NodeLost")
_CONTAINERS = frozenset(name.lower() for name in FRAMEWORKS)
_FAILURES_OF_INDEX = "batch.kubernetes.io/job-index-failure-count"
_RESTART_OF_JOB_SET = "jobset.sigs.k8s.io/restart-attempt"
_SHORT = 512


def pod(raw: object) -> PodView:
    """Return the view of a pod. Raises ValueError if it is none."""
    meta, spec, status = parts(raw)
    labels, notes = part(meta, "labels"), part(meta, "annotations")
    named = _POD.fullmatch(text(meta, "name"))
    main = _main(spec)
    phase = intern(text(status, "phase")) or "Unknown"
    resources = part(main, "resources")
    return PodView(
        **_identity(meta),
        experiment_id=intern(named[1]) if named else "",
        owner_uid=intern(_owner(meta)[0]),
        role=intern(named[2]) if named else "",
        index=int(named[3] or named[4]) if named else -1,
        phase=phase,
        reason=text(status, "reason"),
        message=text(status, "message"),
        node=intern(text(spec, "nodeName")) or None,
        deleting=bool(meta.get("deletionTimestamp")),
        container=_container(main, _status_of(status, "containerStatuses", text(main, "name"))),
        init=_init(spec, status) if phase in ("Pending", "Failed", "Unknown") else None,
        conditions=tuple(item for item in _conditions(status, _EXPLAINING) if _explains(item)),
        requests=tuple(
            (intern(name), intern(str(value)[:64]))
            for name, value in part(resources, "requests").items()
            if isinstance(value, str | int)
        ),
        deleted_ms=_deletion(meta),
        tries=count(notes.get(_FAILURES_OF_INDEX)) or count(labels.get(_RESTART_OF_JOB_SET)),
        finalizers=_finalizers(meta),
    )


def job(raw: object) -> JobView:
    """Return the view of a TFJob, PyTorchJob, XGBoostJob, JobSet or Job. Raises ValueError for anything else."""
    meta, spec, status = parts(raw)
    # The items of a list have no kind, if it is one that Kubernetes brings itself.
    name = (raw.get("kind") if isinstance(raw, dict) else None) or "Job"
    kind = OWN_KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ValueError(f"is of kind {str(name)[:80]}, which this server does not use")
    named = _JOB.fullmatch(text(meta, "name"))
    conditions = tuple(_conditions(status))
    end = next((item for item in conditions if item.type in (kind.succeeded, "Failed") and item.status), None)
    finished = None if end is None else time_ms(status.get("completionTime")) or end.at_ms
    policy = kind.policy(spec)
    role = named[2] or "" if named else ""
    owner_uid, controlled = _owner(meta)
    return JobView(
        **_identity(meta),
        kind=kind.kind,
        experiment_id=intern(named[1]) if named else "",
        owner_uid=intern(owner_uid),
        role=intern(role),
        deleting=bool(meta.get("deletionTimestamp")),
        suspended=policy.get("suspend") is True,
        started_ms=time_ms(status.get("startTime")),
        finished_ms=finished,
        conditions=conditions,
        queue=text(part(meta, "labels"), QUEUE_LABEL) or None,
        notes=_notes(part(meta, "annotations")),
        answered=bool(status),
        deadline_s=count(policy.get("activeDeadlineSeconds")) or None,
        controlled=controlled,
        replicas=tuple((intern(name), wanted) for name, wanted in kind.wanted(spec, role)),
        expires=isinstance(policy.get("ttlSecondsAfterFinished"), int),
        finalizers=_finalizers(meta),
    )


def event(raw: object) -> EventView:
    """Return the view of an event. Raises ValueError if it is about nothing."""
    found = as_object(raw)
    meta, about, series = part(found, "metadata"), part(found, "involvedObject"), part(found, "series")
    times = (
        series.get("lastObservedTime"),
        found.get("lastTimestamp"),
        found.get("eventTime"),
        found.get("firstTimestamp"),
        meta.get("creationTimestamp"),
    )
    return EventView(
        name=need(meta, "name"),
        kind=intern(text(about, "kind")),
        object_name=need(about, "name"),
        object_uid=text(about, "uid"),
        type=intern(text(found, "type")),
        reason=intern(text(found, "reason")),
        message=text(found, "message"),
        count=count(series.get("count")) or count(found.get("count")) or 1,
        at_ms=next((at for at in map(time_ms, times) if at is not None), 0),
    )


def workload(raw: object) -> WorkloadView:
    """Return the view of a Workload of Kueue. Raises ValueError if it has no name."""
    meta, spec, status = parts(raw)
    owners = items(meta, "ownerReferences")
    return WorkloadView(
        name=need(meta, "name"),
        owner_uid=next((uid for owner in owners if (uid := text(owner, "uid"))), ""),
        queue=text(spec, "queueName"),
        conditions=tuple(_conditions(status)),
    )


def _identity(meta: Json) -> dict[str, Any]:
    created = time_ms(meta.get("creationTimestamp"))
    if created is None:
        raise ValueError("has no time of creation")
    return {
        "name": need(meta, "name"),
        "uid": need(meta, "uid"),
        "namespace": intern(need(meta, "namespace")),
        "created_ms": created,
    }


def _owner(meta: Json) -> tuple[str, bool]:
    """Return the uid of the object that one belongs to, empty without one, and whether that made it."""
    owners = items(meta, "ownerReferences")
    for owner in owners:
        if owner.get("controller") is True:
            return text(owner, "uid"), True
    return (text(owners[0], "uid"), False) if owners else ("", False)


def _notes(notes: Json) -> tuple[tuple[str, str], ...]:
    """Return our annotations; the large ones only where they are signed, for nobody else's are ever read."""
    signed = SEAL in notes
    return tuple(
        (key, value)
        for key, value in notes.items()
        if key.startswith(PREFIX) and isinstance(value, str) and (signed or len(value) <= _SHORT)
    )


def _finalizers(meta: Json) -> tuple[str, ...]:
    found = meta.get("finalizers")
    if not isinstance(found, list):
        return ()
    return tuple(str(item)[:200] for item in found[:MOST] if item not in _FINALIZERS)


def _main(spec: Json) -> Json:
    """Return the training container: others may have been put beside it."""
    containers = items(spec, "containers")
    first = containers[0] if containers else {}
    return next((item for item in containers if text(item, "name") in _CONTAINERS), first)


def _container(spec: Json, status: Json) -> ContainerView:
    state = part(status, "state")
    kind = next((name for name in ("running", "terminated", "waiting") if isinstance(state.get(name), dict)), "waiting")
    now, before = part(state, kind), part(part(status, "lastState"), "terminated")
    limit = part(part(spec, "resources"), "limits").get("memory")
    return ContainerView(
        name=intern(text(spec, "name")),
        image=intern(text(spec, "image")),
        state=kind,
        reason=text(now, "reason"),
        message=text(now, "message") if kind == "waiting" else tail(now),
        exit_code=number(now.get("exitCode")),
        signal=number(now.get("signal")),
        started_ms=time_ms(now.get("startedAt")),
        finished_ms=time_ms(now.get("finishedAt")),
        restarts=count(status.get("restartCount")),
        last_reason=text(before, "reason"),
        last_message=tail(before),
        last_exit_code=number(before.get("exitCode")),
        memory_limit=intern(str(limit)[:64]) if isinstance(limit, str | int) else None,
    )


def _init(spec: Json, status: Json) -> ContainerView | None:
    for item in items(spec, "initContainers"):
        found = _status_of(status, "initContainerStatuses", text(item, "name"))
        view = _container(item, found)
        sidecar = item.get("restartPolicy") == "Always" and found.get("started") is True
        if not sidecar and (view.state != "terminated" or view.exit_code != 0):
            return view
    return None


def _status_of(status: Json, field: str, name: str) -> Json:
    return next((item for item in items(status, field) if item.get("name") == name), {})


def _explains(condition: Condition) -> bool:
    if condition.type == "Ready":
        return not condition.status and condition.reason in _OF_LOST_NODES
    return condition.status != (condition.type == "PodScheduled")


def _conditions(status: Json, only: tuple[str, ...] = ()) -> Iterator[Condition]:
    for item in items(status, "conditions"):
        if (kind := text(item, "type")) and (not only or kind in only):
            at = time_ms(item.get("lastTransitionTime"))
            yield Condition(intern(kind), item.get("status") == "True", text(item, "reason"), text(item, "message"), at)


def _deletion(meta: Json) -> int | None:
    """Return when its deletion was asked for: the cluster notes when the time to end by itself is over."""
    due = time_ms(meta.get("deletionTimestamp"))
    return None if due is None else due - 1000 * count(meta.get("deletionGracePeriodSeconds"))
