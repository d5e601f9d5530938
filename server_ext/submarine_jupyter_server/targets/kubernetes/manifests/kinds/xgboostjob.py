"""XGBoost as an XGBoostJob, which has to have a Master: the tracker runs there."""

from __future__ import annotations

from functools import partial

from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter_server.targets.kubernetes.manifests.draft import Draft
from submarine_jupyter_server.targets.kubernetes.manifests.kind import Kind
from submarine_jupyter_server.targets.kubernetes.raw_json import Json
from submarine_jupyter_server.targets.replicas import members

from . import kubeflow

_ALWAYS = frozenset({"PYTHONUNBUFFERED", "MASTER_ADDR", "MASTER_PORT", "WORLD_SIZE", "RANK"})
_WITH_WORKERS = frozenset({"WORKER_PORT", "WORKER_ADDRS"})


def objects(draft: Draft) -> list[Json]:
    """Return the XGBoostJob, then what it owns."""
    wiring = kubeflow.wiring(draft, _injected(draft.spec), "{id}-{role}-{index}")
    return kubeflow.objects(draft, "XGBoostJob", "xgbReplicaSpecs", wiring)


def _problems(spec: ExperimentSpec) -> list[str]:
    if "Master" not in spec.spec:
        return ["spec.Master: an XGBoostJob must have one; add it, its replica is the first of the workers"]
    return [
        *kubeflow.overwritten(spec, "XGBoostJob", _injected(spec)),
        *kubeflow.one_decides(spec, "XGBoostJob", "Master"),
    ]


KIND = Kind(
    name="xgboostjob",
    api_version=kubeflow.API_VERSION,
    kind="XGBoostJob",
    plural="xgboostjobs",
    frameworks=("XGBoost",),
    objects=objects,
    problems=_problems,
    wanted=partial(kubeflow.wanted, "xgbReplicaSpecs"),
    succeeded="Succeeded",
    pod_label=kubeflow.POD_LABEL,
    run_policy="runPolicy",
    forgets_time=True,
    fixed="an XGBoostJob tells its replicas their number at the start",
)


def _injected(spec: ExperimentSpec) -> frozenset[str]:
    return _ALWAYS | _WITH_WORKERS if len(members(spec)) > 1 else _ALWAYS
