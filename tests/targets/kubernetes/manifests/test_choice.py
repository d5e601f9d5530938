"""Which kind an experiment becomes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from submarine_jupyter_server.targets.kubernetes.manifests import KINDS, ClusterOptions, choose, render
from submarine_jupyter_server.targets.protocol import Launch

OPERATOR = frozenset({"TFJob", "PyTorchJob", "XGBoostJob"})
ALL = OPERATOR | {"JobSet", "Workload"}


@pytest.mark.parametrize(
    ("framework", "served", "queue", "kind"),
    [
        ("TensorFlow", ALL, None, "tfjob"),
        ("PyTorch", ALL, None, "pytorchjob"),
        ("XGBoost", ALL, None, "xgboostjob"),
        ("Standalone", ALL, None, "indexed_jobs"),
        ("Standalone", ALL, "team-a", "indexed_jobs"),
        ("TensorFlow", {"JobSet", "PyTorchJob"}, None, "jobset"),
        ("TensorFlow", ALL, "team-a", "jobset"),
        ("TensorFlow", OPERATOR, "team-a", "tfjob"),
        ("TensorFlow", set(), "team-a", "indexed_jobs"),
        ("XGBoost", set(), None, "indexed_jobs"),
    ],
)
def test_choose(framework: str, served: set[str], queue: str | None, kind: str) -> None:
    assert choose(framework, frozenset(served), queue) == kind
    assert framework in KINDS[kind].frameworks


@pytest.mark.parametrize(
    ("framework", "change", "kind"),
    [
        ("XGBoost", {"spec": {"Worker": {}}}, "jobset"),
        ("XGBoost", {"spec": {"Master": {}}}, "xgboostjob"),
        ("PyTorch", {"spec": {"Worker": {"envVars": {"RANK": "7"}}}}, "pytorchjob"),
        ("PyTorch", {"spec": {"Master": {}, "Worker": {"envVars": {"RANK": "7"}}}}, "jobset"),
        ("PyTorch", {"spec": {"Master": {}}, "runtime": {"successPolicy": "AllWorkers"}}, "jobset"),
        ("TensorFlow", {"spec": {"Worker": {}}, "runtime": {"successPolicy": "AllWorkers"}}, "tfjob"),
        ("TensorFlow", {"spec": {"Worker": {}, "Chief": {}}, "runtime": {"successPolicy": "AllWorkers"}}, "jobset"),
    ],
)
def test_a_kind_that_cannot_express_it_is_passed_over(
    framework: str, change: dict[str, Any], kind: str, launch_of_spec: Callable[..., Launch]
) -> None:
    body = {"meta": {"name": "x", "framework": framework, "cmd": "run"}, "environment": {"image": "x"}, **change}
    spec = launch_of_spec(body).spec
    assert choose(framework, frozenset(ALL), None, spec=spec) == kind


def test_kinds_name_their_place_in_the_api() -> None:
    assert {kind.name: (kind.api_version, kind.plural) for kind in KINDS.values()} == {
        "tfjob": ("kubeflow.org/v1", "tfjobs"),
        "pytorchjob": ("kubeflow.org/v1", "pytorchjobs"),
        "xgboostjob": ("kubeflow.org/v1", "xgboostjobs"),
        "jobset": ("jobset.x-k8s.io/v1alpha2", "jobsets"),
        "indexed_jobs": ("batch/v1", "jobs"),
    }


@pytest.mark.parametrize(("runtime", "queue"), [(None, "all"), ({"retries": 1}, "all"), ({"queue": "own"}, "own")])
def test_the_queue_of_the_cluster_is_for_what_names_none(
    runtime: dict[str, Any] | None, queue: str, launch_of_spec: Callable[..., Launch]
) -> None:
    body: dict[str, Any] = {
        "meta": {"name": "x", "framework": "Standalone", "cmd": "true"},
        "environment": {"image": "x:1"},
        "spec": {"Worker": {}},
    }
    launch = launch_of_spec({**body, "runtime": runtime} if runtime else body)
    options = ClusterOptions(queue="all")
    job = render(launch, kind="indexed_jobs", namespace="x", options=options)[0]
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == queue
    assert job["spec"]["suspend"] is True
    assert (launch.spec.runtime.queue if launch.spec.runtime else None) == (runtime or {}).get("queue")
