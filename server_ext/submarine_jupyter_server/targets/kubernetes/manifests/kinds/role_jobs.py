"""One Indexed Job per role: what plain Jobs and JobSets have in common.

https://kubernetes.io/docs/concepts/workloads/controllers/job/
"""

from __future__ import annotations

from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter.spec.vocabulary import LEADERS
from submarine_jupyter_server.targets.kubernetes.manifests.draft import Draft, Wiring, only_set, roles
from submarine_jupyter_server.targets.kubernetes.manifests.pod import template
from submarine_jupyter_server.targets.kubernetes.raw_json import Json

INDEX_LABEL = "batch.kubernetes.io/job-completion-index"


def leader(spec: ExperimentSpec) -> str:
    """Return the role whose end is the end of the experiment: the chief or master, else the workers."""
    return next((role for role in LEADERS if role in spec.spec), "Worker")


def deciding(spec: ExperimentSpec) -> list[str]:
    """Return the roles that all must succeed for the experiment to succeed; without a leader, all workers."""
    everyone = spec.runtime is not None and spec.runtime.success_policy == "AllWorkers"
    return [role for role in roles(spec) if role == leader(spec) or (everyone and role == "Worker")]


def job_spec(draft: Draft, role: str, wiring: Wiring, restarts: Json, **pod_fields: str | None) -> Json:
    """Return the spec of the Indexed Job of a role; ``restarts`` says how often its pods are replaced."""
    count = draft.spec.spec[role].replicas
    return {
        **only_set({"activeDeadlineSeconds": draft.runtime.max_run_time}),
        "completionMode": "Indexed",
        "completions": count,
        "parallelism": count,
        **restarts,
        # Never two pods of one index at once: they would have one name.
        "podReplacementPolicy": "Failed",
        "template": template.template(draft, role, wiring, restartPolicy="Never", **pod_fields),
    }
