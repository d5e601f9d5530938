"""Plain Indexed Jobs, which every cluster runs: one per role, and a headless Service by which replicas find each other.

The leader's Job is the experiment's own object and owns the rest, so that its deletion, or its time to live, removes
everything even when no server of ours is running. Nobody but our server ends parameter servers when the leader is done.
The host names of the pods are the names of the replicas: ``experiment-...-worker-0``.
"""

from __future__ import annotations

from collections.abc import Iterator

from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter.spec.vocabulary import FRAMEWORKS
from submarine_jupyter_server.targets.kubernetes.manifests.draft import Draft, Wiring, only_set, roles
from submarine_jupyter_server.targets.kubernetes.manifests.kind import Kind
from submarine_jupyter_server.targets.kubernetes.manifests.pod import environment, inline_code, secret_object, template
from submarine_jupyter_server.targets.kubernetes.manifests.recognition.metadata import (
    EXPERIMENT_LABEL,
    in_queue,
    metadata,
    own_metadata,
)
from submarine_jupyter_server.targets.kubernetes.raw_json import Json, count
from submarine_jupyter_server.targets.replicas import members

from .role_jobs import INDEX_LABEL, job_spec, leader


def objects(draft: Draft) -> list[Json]:
    """Return the leader's Job, then what it owns."""
    first = leader(draft.spec)
    wiring = Wiring(
        INDEX_LABEL,
        template.address(draft, "{id}-{role}-{index}.{stem}.{namespace}.svc"),
        shared=f"{draft.stem}-cluster-{draft.launch.attempt}" if _distributed(draft) else None,
    )
    return [
        _job(draft, first, wiring),
        *_service(draft),
        *environment.shared(draft, wiring),
        *inline_code.objects(draft),
        *secret_object.objects(draft),
        *(_job(draft, role, wiring) for role in roles(draft.spec) if role != first),
    ]


def _problems(spec: ExperimentSpec) -> list[str]:
    return []


def _wanted(spec: Json, role: str) -> Iterator[tuple[str, int]]:
    if role:
        yield role, count(spec.get("completions"))


KIND = Kind(
    name="indexed_jobs",
    api_version="batch/v1",
    kind="Job",
    plural="jobs",
    frameworks=tuple(FRAMEWORKS),
    objects=objects,
    problems=_problems,
    wanted=_wanted,
    succeeded="Complete",
    pod_label="batch.kubernetes.io/job-name",
    workers=(("spec", "completions"), ("spec", "parallelism")),
    per_role=True,
)


def _job(draft: Draft, role: str, wiring: Wiring) -> Json:
    name = f"{draft.id}-{role.lower()}"
    own = role == leader(draft.spec)
    subdomain = draft.stem if _distributed(draft) else None
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": in_queue(draft, own_metadata(draft, name, role) if own else metadata(draft, name, role)),
        "spec": only_set({"suspend": True if draft.runtime.queue else None})
        | job_spec(draft, role, wiring, _restarts(draft), subdomain=subdomain),
    }


def _restarts(draft: Draft) -> Json:
    # Counted for each replica, as on other targets; without retries the plain form has the plainer message.
    retries = draft.runtime.retries
    return {"backoffLimitPerIndex": retries, "maxFailedIndexes": 0} if retries else {"backoffLimit": 0}


def _service(draft: Draft) -> list[Json]:
    if not _distributed(draft):
        return []
    name, port = template.PORTS[draft.spec.meta.framework]
    spec = {
        "clusterIP": "None",
        # Replicas look for each other before they are ready.
        "publishNotReadyAddresses": True,
        "selector": {EXPERIMENT_LABEL: draft.id},
        "ports": [{"name": name, "port": port}],
    }
    return [{"apiVersion": "v1", "kind": "Service", "metadata": metadata(draft, draft.stem), "spec": spec}]


def _distributed(draft: Draft) -> bool:
    return len(members(draft.spec)) > 1
