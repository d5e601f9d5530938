"""A JobSet: one replicated Indexed Job per role, ended together, admitted together by Kueue.

https://jobset.sigs.k8s.io/docs/reference/jobset.v1alpha2/. A retry starts all replicas again, and ``maxRunTime`` is the
time of each try.
"""

from __future__ import annotations

from collections.abc import Iterator

from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter.spec.vocabulary import FRAMEWORKS
from submarine_jupyter_server.targets.kubernetes.manifests.draft import Draft, Wiring, only_set, roles
from submarine_jupyter_server.targets.kubernetes.manifests.kind import Kind
from submarine_jupyter_server.targets.kubernetes.manifests.pod import inline_code, secret_object, template
from submarine_jupyter_server.targets.kubernetes.manifests.recognition.metadata import (
    in_queue,
    labels,
    marks,
    own_metadata,
)
from submarine_jupyter_server.targets.kubernetes.raw_json import Json, count, items, part, text

from .role_jobs import INDEX_LABEL, deciding, job_spec

_TOO_LATE = {"name": "deadline", "action": "FailJobSet", "onJobFailureReasons": ["DeadlineExceeded"]}


def objects(draft: Draft) -> list[Json]:
    """Return the JobSet, then what it owns."""
    wiring = Wiring(INDEX_LABEL, template.address(draft, "{id}-{role}-0-{index}.{stem}.{namespace}.svc"))
    job_set = {
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "metadata": in_queue(draft, own_metadata(draft, draft.id)),
        "spec": only_set(
            {
                "suspend": True if draft.runtime.queue else None,
                "network": {"enableDNSHostnames": True, "subdomain": draft.stem, "publishNotReadyAddresses": True},
                "successPolicy": {
                    "operator": "All",
                    "targetReplicatedJobs": [role.lower() for role in deciding(draft.spec)],
                },
                "failurePolicy": _failure_policy(draft),
                "replicatedJobs": [_replicated(draft, role, wiring) for role in roles(draft.spec)],
            }
        ),
    }
    return [job_set, *inline_code.objects(draft), *secret_object.objects(draft)]


def _problems(spec: ExperimentSpec) -> list[str]:
    return []


def _wanted(spec: Json, _: str) -> Iterator[tuple[str, int]]:
    for job in items(spec, "replicatedJobs"):
        yield text(job, "name"), count(part(part(job, "template"), "spec").get("completions"))


KIND = Kind(
    name="jobset",
    api_version="jobset.x-k8s.io/v1alpha2",
    kind="JobSet",
    plural="jobsets",
    frameworks=tuple(FRAMEWORKS),
    objects=objects,
    problems=_problems,
    wanted=_wanted,
    succeeded="Completed",
    pod_label="jobset.sigs.k8s.io/jobset-name",
    makes_jobs=True,
    fixed="a JobSet cannot change after its creation",
)


def _replicated(draft: Draft, role: str, wiring: Wiring) -> Json:
    return {
        "name": role.lower(),
        "replicas": 1,
        # So that its Jobs are seen: their events tell why pods cannot be made.
        "template": {
            "metadata": {"labels": labels(draft, role), "annotations": marks(draft)},
            "spec": job_spec(draft, role, wiring, {"backoffLimit": 0}),
        },
    }


def _failure_policy(draft: Draft) -> Json:
    # Without retries there is none: then the message names the Job that failed.
    if not draft.runtime.retries:
        return {}
    return only_set({"maxRestarts": draft.runtime.retries, "rules": [_TOO_LATE] if draft.runtime.max_run_time else []})
