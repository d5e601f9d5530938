"""TensorFlow as a TFJob: the operator gives TF_CONFIG, and its workers can be more or fewer while it runs.

Its TF_CONFIG has the evaluator in the cluster too; else it is the contract's.
"""

from __future__ import annotations

from functools import partial

from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter.spec.vocabulary import LEADERS
from submarine_jupyter_server.targets.kubernetes.manifests.draft import Draft
from submarine_jupyter_server.targets.kubernetes.manifests.kind import Kind
from submarine_jupyter_server.targets.kubernetes.raw_json import Json
from submarine_jupyter_server.targets.replicas import members

from . import kubeflow


def objects(draft: Draft) -> list[Json]:
    """Return the TFJob, then what it owns."""
    wiring = kubeflow.wiring(draft, _injected(draft.spec), "{id}-{role}-{index}.{namespace}.svc")
    # By default the first worker alone would decide, and the others would be killed when it is done.
    policy = "AllWorkers" if _leader(draft.spec) is None else None
    return kubeflow.objects(draft, "TFJob", "tfReplicaSpecs", wiring, successPolicy=policy)


def _problems(spec: ExperimentSpec) -> list[str]:
    return [
        *kubeflow.overwritten(spec, "TFJob", _injected(spec)),
        *kubeflow.one_decides(spec, "TFJob", _leader(spec)),
    ]


KIND = Kind(
    name="tfjob",
    api_version=kubeflow.API_VERSION,
    kind="TFJob",
    plural="tfjobs",
    frameworks=("TensorFlow",),
    objects=objects,
    problems=_problems,
    wanted=partial(kubeflow.wanted, "tfReplicaSpecs"),
    succeeded="Succeeded",
    pod_label=kubeflow.POD_LABEL,
    run_policy="runPolicy",
    workers=(("spec", "tfReplicaSpecs", "Worker", "replicas"),),
    forgets_time=True,
)


def _injected(spec: ExperimentSpec) -> frozenset[str]:
    return frozenset({"TF_CONFIG"} if len(members(spec)) > 1 else ())


def _leader(spec: ExperimentSpec) -> str | None:
    return next((role for role in LEADERS if role in spec.spec), None)
