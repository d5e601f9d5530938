"""Projections: raw JSON of the API server -> view.

Who an object is must be there and in order, else ValueError. All the rest is taken as it comes: what is missing, or of
another type than documented, counts as not said. Which experiment, role and index it has is read from its name, which
nobody can change; labels and annotations anybody may.
https://kubernetes.io/docs/reference/kubernetes-api/
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from sys import intern
from typing import Any

from submarine_jupyter.models import FRAMEWORKS

from .manifests.metadata import PREFIX, QUEUE_LABEL
from .manifests.seal import SEAL
from .views import Condition, ContainerView, EventView, JobView, PodView, WorkloadView

Part = dict[str, Any]

EXPERIMENT = re.compile(r"experiment-[0-9]{1,20}-[0-9]{4,20}")
# Of an operator ID-worker-0, of a Job ID-worker-0-x2x4z, of a JobSet ID-worker-0-0-x2x4z.
_POD = re.compile(
    rf"({EXPERIMENT.pattern})-([a-z]{{1,20}})-(?:([0-9]{{1,9}})(?:-[a-z0-9]{{5}})?|0-([0-9]{{1,9}})-[a-z0-9]{{5}})"
)
# The own object ID, a Job of plain ones ID-worker, one of a JobSet ID-worker-0.
_JOB = re.compile(rf"({EXPERIMENT.pattern})(?:-([a-z]{{1,20}})(-0)?)?")
_ROLES = {"TFJob": "tfReplicaSpecs", "PyTorchJob": "pytorchReplicaSpecs", "XGBoostJob": "xgbReplicaSpecs"}
_KINDS = (*_ROLES, "JobSet", "Job")
# Of Kubernetes itself: they go by themselves.
_FINALIZERS = ("foregroundDeletion", "orphan", "batch.kubernetes.io/job-tracking")
_ENDS = ("Succeeded", "Failed", "Completed", "Complete")
_EXPLAINING = ("PodScheduled", "DisruptionTarget", "Ready")
# A kubelet always gives a reason; the controller of nodes, which takes a pod's word back for it, gives none of its own.
_OF_LOST_NODES = ("", "NodeNotReady", "NodeStatusUnknown", "NodeLost")
_CONTAINERS = frozenset(name.lower() for name in FRAMEWORKS)
_FAILURES_OF_INDEX = "batch.kubernetes.io/job-index-failure-count"
_RESTART_OF_JOB_SET = "jobset.sigs.k8s.io/restart-attempt"
_LONGEST = 2000
_SHORT = 512
# The kubelet keeps this much of the end of a log as the message of a crash.
_LONGEST_TAIL = 4096
_MOST = 50


def pod(raw: object) -> PodView:
    """Return the view of a pod. Raises ValueError if it is none."""
    meta, spec, status = _parts(raw)
    labels, notes = _part(meta, "labels"), _part(meta, "annotations")
    named = _POD.fullmatch(_text(meta, "name"))
    main = _main(spec)
    phase = intern(_text(status, "phase")) or "Unknown"
    resources = _part(main, "resources")
    return PodView(
        **_identity(meta),
        experiment_id=intern(named[1]) if named else "",
        owner_uid=intern(_owner(meta)[0]),
        role=intern(named[2]) if named else "",
        index=int(named[3] or named[4]) if named else -1,
        phase=phase,
        reason=_text(status, "reason"),
        message=_text(status, "message"),
        node=intern(_text(spec, "nodeName")) or None,
        deleting=bool(meta.get("deletionTimestamp")),
        container=_container(main, _status_of(status, "containerStatuses", _text(main, "name"))),
        init=_init(spec, status) if phase in ("Pending", "Failed", "Unknown") else None,
        conditions=tuple(item for item in _conditions(status, _EXPLAINING) if _explains(item)),
        requests=tuple(
            (intern(name), intern(str(value)[:64]))
            for name, value in _part(resources, "requests").items()
            if isinstance(value, str | int)
        ),
        deleted_ms=_deletion(meta),
        tries=_count(notes.get(_FAILURES_OF_INDEX)) or _count(labels.get(_RESTART_OF_JOB_SET)),
        finalizers=_finalizers(meta),
    )


def job(raw: object) -> JobView:
    """Return the view of a TFJob, PyTorchJob, XGBoostJob, JobSet or Job. Raises ValueError for anything else."""
    meta, spec, status = _parts(raw)
    # The items of a list have no kind, if it is one that Kubernetes brings itself.
    kind = (raw.get("kind") if isinstance(raw, dict) else None) or "Job"
    if kind not in _KINDS:
        raise ValueError(f"is of kind {str(kind)[:80]}, none of ours")
    named = _JOB.fullmatch(_text(meta, "name"))
    conditions = tuple(_conditions(status))
    end = next((item for item in conditions if item.type in _ENDS and item.status), None)
    finished = None if end is None else _time(status.get("completionTime")) or end.at_ms
    policy = _part(spec, "runPolicy") if kind in _ROLES else spec
    owner_uid, controlled = _owner(meta)
    return JobView(
        **_identity(meta),
        kind=intern(kind),
        experiment_id=intern(named[1]) if named else "",
        owner_uid=intern(owner_uid),
        role=intern(named[2] or "") if named else "",
        deleting=bool(meta.get("deletionTimestamp")),
        suspended=policy.get("suspend") is True,
        started_ms=_time(status.get("startTime")),
        finished_ms=finished,
        conditions=conditions,
        queue=_text(_part(meta, "labels"), QUEUE_LABEL) or None,
        notes=_notes(_part(meta, "annotations")),
        answered=bool(status),
        deadline_s=_count(policy.get("activeDeadlineSeconds")) or None,
        controlled=controlled,
        replicas=tuple(_replicas(kind, spec, named[2] if named else "")),
        expires=isinstance(policy.get("ttlSecondsAfterFinished"), int),
        finalizers=_finalizers(meta),
    )


def event(raw: object) -> EventView:
    """Return the view of an event. Raises ValueError if it is about nothing."""
    found = _object(raw)
    meta, about, series = _part(found, "metadata"), _part(found, "involvedObject"), _part(found, "series")
    times = (
        series.get("lastObservedTime"),
        found.get("lastTimestamp"),
        found.get("eventTime"),
        found.get("firstTimestamp"),
        meta.get("creationTimestamp"),
    )
    return EventView(
        name=_need(meta, "name"),
        kind=intern(_text(about, "kind")),
        object_name=_need(about, "name"),
        object_uid=_text(about, "uid"),
        type=intern(_text(found, "type")),
        reason=intern(_text(found, "reason")),
        message=_text(found, "message"),
        count=_count(series.get("count")) or _count(found.get("count")) or 1,
        at_ms=next((at for at in map(_time, times) if at is not None), 0),
    )


def workload(raw: object) -> WorkloadView:
    """Return the view of a Workload of Kueue. Raises ValueError if it has no name."""
    meta, spec, status = _parts(raw)
    owners = _list(meta, "ownerReferences")
    return WorkloadView(
        name=_need(meta, "name"),
        owner_uid=next((uid for owner in owners if (uid := _text(owner, "uid"))), ""),
        queue=_text(spec, "queueName"),
        conditions=tuple(_conditions(status)),
    )


def _identity(meta: Part) -> dict[str, Any]:
    created = _time(meta.get("creationTimestamp"))
    if created is None:
        raise ValueError("has no time of creation")
    return {
        "name": _need(meta, "name"),
        "uid": _need(meta, "uid"),
        "namespace": intern(_need(meta, "namespace")),
        "created_ms": created,
    }


def _owner(meta: Part) -> tuple[str, bool]:
    """Return the uid of the object that one belongs to, empty without one, and whether that made it."""
    owners = _list(meta, "ownerReferences")
    for owner in owners:
        if owner.get("controller") is True:
            return _text(owner, "uid"), True
    return (_text(owners[0], "uid"), False) if owners else ("", False)


def _notes(notes: Part) -> tuple[tuple[str, str], ...]:
    """Return our annotations; the large ones only where they are signed, for nobody else's are ever read."""
    signed = SEAL in notes
    return tuple(
        (key, value)
        for key, value in notes.items()
        if key.startswith(PREFIX) and isinstance(value, str) and (signed or len(value) <= _SHORT)
    )


def _replicas(kind: str, spec: Part, role: str | None) -> Iterator[tuple[str, int]]:
    """Yield how many replicas of each role are wanted."""
    if kind in _ROLES:
        for name, task in _part(spec, _ROLES[kind]).items():
            count = task.get("replicas") if isinstance(task, dict) else None
            yield intern(str(name).lower()), 1 if count is None else _count(count)
    elif kind == "JobSet":
        for job in _list(spec, "replicatedJobs"):
            yield intern(_text(job, "name")), _count(_part(_part(job, "template"), "spec").get("completions"))
    elif role:
        yield intern(role), _count(spec.get("completions"))


def _finalizers(meta: Part) -> tuple[str, ...]:
    found = meta.get("finalizers")
    if not isinstance(found, list):
        return ()
    return tuple(str(item)[:200] for item in found[:_MOST] if item not in _FINALIZERS)


def _main(spec: Part) -> Part:
    """Return the training container: others may have been put beside it."""
    containers = _list(spec, "containers")
    first = containers[0] if containers else {}
    return next((item for item in containers if _text(item, "name") in _CONTAINERS), first)


def _container(spec: Part, status: Part) -> ContainerView:
    state = _part(status, "state")
    kind = next((name for name in ("running", "terminated", "waiting") if isinstance(state.get(name), dict)), "waiting")
    now, before = _part(state, kind), _part(_part(status, "lastState"), "terminated")
    limit = _part(_part(spec, "resources"), "limits").get("memory")
    return ContainerView(
        name=intern(_text(spec, "name")),
        image=intern(_text(spec, "image")),
        state=kind,
        reason=_text(now, "reason"),
        message=_text(now, "message") if kind == "waiting" else _tail(now),
        exit_code=_number(now.get("exitCode")),
        signal=_number(now.get("signal")),
        started_ms=_time(now.get("startedAt")),
        finished_ms=_time(now.get("finishedAt")),
        restarts=_count(status.get("restartCount")),
        last_reason=_text(before, "reason"),
        last_message=_tail(before),
        last_exit_code=_number(before.get("exitCode")),
        memory_limit=intern(str(limit)[:64]) if isinstance(limit, str | int) else None,
    )


def _init(spec: Part, status: Part) -> ContainerView | None:
    for item in _list(spec, "initContainers"):
        found = _status_of(status, "initContainerStatuses", _text(item, "name"))
        view = _container(item, found)
        sidecar = item.get("restartPolicy") == "Always" and found.get("started") is True
        if not sidecar and (view.state != "terminated" or view.exit_code != 0):
            return view
    return None


def _status_of(status: Part, field: str, name: str) -> Part:
    return next((item for item in _list(status, field) if item.get("name") == name), {})


def _explains(condition: Condition) -> bool:
    if condition.type == "Ready":
        return not condition.status and condition.reason in _OF_LOST_NODES
    return condition.status != (condition.type == "PodScheduled")


def _conditions(status: Part, only: tuple[str, ...] = ()) -> Iterator[Condition]:
    for item in _list(status, "conditions"):
        if (kind := _text(item, "type")) and (not only or kind in only):
            at = _time(item.get("lastTransitionTime"))
            yield Condition(
                intern(kind), item.get("status") == "True", _text(item, "reason"), _text(item, "message"), at
            )


def _deletion(meta: Part) -> int | None:
    """Return when its deletion was asked for: the cluster notes when the time to end by itself is over."""
    due = _time(meta.get("deletionTimestamp"))
    return None if due is None else due - 1000 * _count(meta.get("deletionGracePeriodSeconds"))


def _object(raw: object) -> Part:
    if not isinstance(raw, dict):
        raise ValueError("is not an object")
    return raw


def _parts(raw: object) -> tuple[Part, Part, Part]:
    found = _object(raw)
    return _part(found, "metadata"), _part(found, "spec"), _part(found, "status")


def _part(found: Part, name: str) -> Part:
    value = found.get(name)
    return value if isinstance(value, dict) else {}


def _list(found: Part, name: str) -> list[Part]:
    value = found.get(name)
    return [item for item in value[:_MOST] if isinstance(item, dict)] if isinstance(value, list) else []


def _text(found: Part, name: str) -> str:
    value = found.get(name)
    return value[:_LONGEST] if isinstance(value, str) else ""


def _tail(found: Part) -> str:
    value = found.get("message")
    return value[-_LONGEST_TAIL:] if isinstance(value, str) else ""


def _need(found: Part, name: str) -> str:
    if not (value := _text(found, name)):
        raise ValueError(f"has no {name}")
    return value


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53 else None


def _count(value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    return max(_number(value) or 0, 0)


def _time(value: object) -> int | None:
    """Return RFC 3339 text as Unix milliseconds; a container that never started has the year 1970."""
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    ms = 0 if at.tzinfo is None else int(at.timestamp() * 1000)
    return ms if ms > 0 else None
