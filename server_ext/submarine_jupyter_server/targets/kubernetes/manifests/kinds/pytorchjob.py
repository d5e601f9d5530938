"""PyTorch as a PyTorchJob: with a Master the operator gives the ranks, without one only what torchrun needs."""

from __future__ import annotations

from functools import partial

from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter_server.targets.kubernetes.manifests.draft import Draft
from submarine_jupyter_server.targets.kubernetes.manifests.kind import Kind
from submarine_jupyter_server.targets.kubernetes.raw_json import Json

from . import kubeflow

_ALWAYS = frozenset({"PYTHONUNBUFFERED", "PET_NPROC_PER_NODE", "PET_NNODES"})
_WITH_MASTER = frozenset(
    {"MASTER_ADDR", "MASTER_PORT", "PET_MASTER_ADDR", "PET_MASTER_PORT", "WORLD_SIZE", "RANK", "PET_NODE_RANK"}
)


def objects(draft: Draft) -> list[Json]:
    """Return the PyTorchJob, then what it owns."""
    wiring = kubeflow.wiring(draft, _injected(draft.spec), "{id}-{role}-{index}")
    return kubeflow.objects(draft, "PyTorchJob", "pytorchReplicaSpecs", wiring, nprocPerNode="1")


def _problems(spec: ExperimentSpec) -> list[str]:
    return [
        *kubeflow.overwritten(spec, "PyTorchJob", _injected(spec)),
        *kubeflow.one_decides(spec, "PyTorchJob", "Master" if "Master" in spec.spec else None),
    ]


KIND = Kind(
    name="pytorchjob",
    api_version=kubeflow.API_VERSION,
    kind="PyTorchJob",
    plural="pytorchjobs",
    frameworks=("PyTorch",),
    objects=objects,
    problems=_problems,
    wanted=partial(kubeflow.wanted, "pytorchReplicaSpecs"),
    succeeded="Succeeded",
    pod_label=kubeflow.POD_LABEL,
    run_policy="runPolicy",
    forgets_time=True,
    fixed="a PyTorchJob tells its replicas their number at the start",
)


def _injected(spec: ExperimentSpec) -> frozenset[str]:
    return _ALWAYS | _WITH_MASTER if "Master" in spec.spec else _ALWAYS
