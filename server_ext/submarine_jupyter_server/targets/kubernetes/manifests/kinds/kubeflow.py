"""What the three kinds of the Kubeflow Training Operator v1 have in common.

https://github.com/kubeflow/trainer/tree/release-1.9/pkg/apis/kubeflow.org/v1. The operator makes one pod and one
headless Service for each replica, both named as the replica, and sets variables of its own behind ours.
"""

from __future__ import annotations

from collections.abc import Iterator

from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter_server.targets.kubernetes.manifests.draft import Draft, Wiring, only_set, roles
from submarine_jupyter_server.targets.kubernetes.manifests.pod import inline_code, secret_object, template
from submarine_jupyter_server.targets.kubernetes.manifests.recognition.metadata import in_queue, own_metadata
from submarine_jupyter_server.targets.kubernetes.raw_json import Json, count, part

API_VERSION = "kubeflow.org/v1"
INDEX_LABEL = "training.kubeflow.org/replica-index"
POD_LABEL = "training.kubeflow.org/job-name"


def wiring(draft: Draft, injected: frozenset[str], pattern: str) -> Wiring:
    """Return the wiring of a kind that injects these variables."""
    return Wiring(INDEX_LABEL, template.address(draft, pattern), injected)


def objects(draft: Draft, kind: str, replica_specs: str, wiring: Wiring, **fields: str | None) -> list[Json]:
    """Return an operator's job, then what it owns; ``fields`` are added to its spec."""
    job = {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": in_queue(draft, own_metadata(draft, draft.id)),
        "spec": {
            "runPolicy": _run_policy(draft),
            **only_set(fields),
            replica_specs: {_replica_type(role): _replicas(draft, role, wiring) for role in roles(draft.spec)},
        },
    }
    return [job, *inline_code.objects(draft), *secret_object.objects(draft)]


def wanted(replica_specs: str, spec: Json, _: str) -> Iterator[tuple[str, int]]:
    """Yield how many replicas of each role are wanted; the operator takes one where none is said."""
    for name, task in part(spec, replica_specs).items():
        replicas = task.get("replicas") if isinstance(task, dict) else None
        yield str(name).lower(), 1 if replicas is None else count(replicas)


def overwritten(spec: ExperimentSpec, kind: str, injected: frozenset[str]) -> list[str]:
    """Return the user's own variables that the operator would replace without a word."""
    # It gives this one to all, with the value we would give.
    names = {name for role in spec.spec for name in spec.env(role)} & (injected - {"PYTHONUNBUFFERED"})
    return [f"envVars.{name}: a {kind} sets it itself; leave it out" for name in sorted(names)]


def one_decides(spec: ExperimentSpec, kind: str, leader: str | None) -> list[str]:
    """Return the problem of a success policy where the operator counts the leader only."""
    if leader is None or spec.runtime is None or spec.runtime.success_policy is None:
        return []
    return [f"runtime.successPolicy: a {kind} with a {leader} succeeds when that one does; leave it out"]


def _run_policy(draft: Draft) -> Json:
    retries = draft.runtime.retries
    return only_set(
        {
            # Parameter servers never end by themselves; those that have ended keep their logs.
            "cleanPodPolicy": "Running",
            "activeDeadlineSeconds": draft.runtime.max_run_time,
            # It fails a job *at* this number of restarts, all replicas counted.
            "backoffLimit": retries + 1 if retries else None,
            "suspend": True if draft.runtime.queue else None,
        }
    )


def _replicas(draft: Draft, role: str, wiring: Wiring) -> Json:
    return {
        "replicas": draft.spec.spec[role].replicas,
        # Of the template's own policy the operator would only complain.
        "restartPolicy": "OnFailure" if draft.runtime.retries else "Never",
        "template": template.template(draft, role, wiring),
    }


def _replica_type(role: str) -> str:
    return "PS" if role == "Ps" else role
