"""What a kind says of itself is true of the objects that it makes."""

from __future__ import annotations

from typing import Any

import pytest

from submarine_jupyter_server.targets.kubernetes.manifests import KINDS, OWN_KINDS, ClusterOptions, render, time_to_live
from submarine_jupyter_server.targets.kubernetes.raw_json import Json
from submarine_jupyter_server.targets.kubernetes.state import projection
from submarine_jupyter_server.targets.kubernetes.state.views import JobView
from submarine_jupyter_server.targets.protocol import ObjectRef

from .conftest import LaunchOf
from .test_golden import PYTORCH, XGBOOST

TENSORFLOW: dict[str, Any] = {
    "meta": {"name": "mnist", "framework": "TensorFlow", "cmd": "python train.py"},
    "environment": {"image": "tensorflow/tensorflow:2.16.1"},
    "spec": {"Chief": {}, "Ps": {"replicas": 2}, "Worker": {"replicas": 3}},
}
# One body that each kind can be made from.
BODIES = {"TensorFlow": TENSORFLOW, "PyTorch": PYTORCH, "XGBoost": XGBOOST}
LIMITED = {"maxRunTime": 600}


def jobs(name: str, launch_of_spec: LaunchOf) -> list[Json]:
    """Return what makes the pods of an experiment of a kind, with a time limit."""
    body = BODIES[KINDS[name].frameworks[0]]
    runtime = {key: value for key, value in body.get("runtime", {}).items() if key != "queue"} | LIMITED
    launch = launch_of_spec(body | {"runtime": runtime})
    made = render(launch, kind=name, namespace="default", options=ClusterOptions())
    return [item for item in made if item["kind"] in OWN_KINDS]


def viewed(item: Json, conditions: tuple[str, ...] = ()) -> JobView:
    """Return the view of an object as the cluster has it, under these conditions."""
    at = "2026-01-31T12:00:00Z"
    known = item["metadata"] | {"uid": item["metadata"]["name"], "creationTimestamp": at}
    status = {"conditions": [{"type": type_, "status": "True", "lastTransitionTime": at} for type_ in conditions]}
    return projection.job(item | {"metadata": known, "status": status})


@pytest.mark.parametrize("name", KINDS)
def test_the_replicas_that_an_object_wants_are_those_of_the_spec(name: str, launch_of_spec: LaunchOf) -> None:
    wanted: dict[str, int] = {}
    for item in jobs(name, launch_of_spec):
        wanted |= dict(viewed(item).replicas)
    spec = BODIES[KINDS[name].frameworks[0]]["spec"]
    assert wanted == {role.lower(): task.get("replicas", 1) for role, task in spec.items()}
    assert len(jobs(name, launch_of_spec)) == (len(spec) if KINDS[name].per_role else 1)


@pytest.mark.parametrize("name", KINDS)
def test_its_end_its_time_and_its_time_to_live_are_where_it_says(name: str, launch_of_spec: LaunchOf) -> None:
    kind, (own, *_) = KINDS[name], jobs(name, launch_of_spec)
    assert viewed(own, (kind.succeeded,)).finished_ms is not None
    assert viewed(own, ("Failed",)).finished_ms is not None
    assert viewed(own, ("Running", "Suspended")).finished_ms is None
    # Each Job of a JobSet has the limit, not the JobSet itself.
    assert viewed(own).deadline_s == (None if kind.makes_jobs else 600)
    assert not viewed(own).expires
    ref = ObjectRef(own["kind"], "default", own["metadata"]["name"], "uid")
    patch = time_to_live(launch_of_spec(TENSORFLOW), ref, ClusterOptions(ttl_after_finished=60))
    assert patch is not None
    assert viewed(own | {"spec": own["spec"] | patch.body["spec"]}).expires


@pytest.mark.parametrize("name", KINDS)
def test_the_number_of_workers_is_where_it_says(name: str, launch_of_spec: LaunchOf) -> None:
    kind = KINDS[name]
    assert bool(kind.workers) == (kind.fixed is None)
    workers = jobs(name, launch_of_spec)[-1]
    for path in kind.workers:
        value: Any = workers
        for key in path:
            value = value[key]
        assert value == BODIES[kind.frameworks[0]]["spec"]["Worker"]["replicas"]
