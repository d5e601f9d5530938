"""Another number of workers while it runs: what each kind allows, and what it says where it does not."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submarine_jupyter.errors import Conflict, InvalidSpec
from submarine_jupyter_server.targets.kubernetes.manifests import ClusterOptions, Patch, changes, check, render
from submarine_jupyter_server.targets.kubernetes.manifests.recognition.metadata import RECORD, SPEC, unpack
from submarine_jupyter_server.targets.kubernetes.raw_json import Json
from submarine_jupyter_server.targets.protocol import Launch

LaunchOf = Callable[..., Launch]
SPACE: dict[str, Any] = {"namespace": "space", "options": ClusterOptions()}
ID = "experiment-1647574374688-0002"


def body(framework: str = "TensorFlow", *, workers: int = 1, **parts: Any) -> dict[str, Any]:
    roles: dict[str, Any] = {"TensorFlow": {"Ps": {}}, "Standalone": {}}.get(framework, {"Master": {}})
    return {
        "meta": {"name": "x", "namespace": "space", "framework": framework, "cmd": "run"},
        "environment": {"image": "busybox"},
        "spec": {**roles, "Worker": {"replicas": workers}},
        **parts,
    }


def merged(target: Json, patch: Json) -> Json:
    """Apply a merge patch as RFC 7396 says."""
    result = copy.deepcopy(target)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = merged(result.get(key, {}), value)
        else:
            result[key] = value
    return result


def scaled(old: Json, new: Json, kind: str, make: LaunchOf) -> list[Patch]:
    one, other = make(old), make(new, generation=2)
    ready = check(one, other, kind=kind, options=ClusterOptions())
    patches = changes(other, kind=kind, **SPACE)
    assert changes(other, kind=kind, ready=ready, **SPACE) == patches  # rendered once is enough
    objects = {(item["kind"], item["metadata"]["name"]): item for item in render(one, kind=kind, **SPACE)}
    for patch in patches:
        key = patch.kind, patch.name
        assert patch.api_version == objects[key]["apiVersion"]
        objects[key] = merged(objects[key], patch.body)
    # Patched, they are what would have been made at once; the record says so too.
    assert list(objects.values()) == render(other, kind=kind, **SPACE)
    notes = next(iter(objects.values()))["metadata"]["annotations"]
    assert unpack(notes[SPEC]) == other.spec.wire()
    return patches


def test_a_tfjob_gets_another_worker(launch_of_spec: LaunchOf) -> None:
    [patch] = scaled(body(workers=1), body(workers=2), "tfjob", launch_of_spec)
    assert (patch.kind, patch.name) == ("TFJob", ID)
    assert patch.body["spec"] == {"tfReplicaSpecs": {"Worker": {"replicas": 2}}}
    assert patch.body["metadata"]["annotations"]["submarine.apache.org/generation"] == "2"
    assert patch.body.keys() == {"metadata", "spec"}


def test_plain_jobs_get_another_worker_that_knows_the_others(launch_of_spec: LaunchOf) -> None:
    cluster, job = scaled(body(workers=2), body(workers=3), "indexed_jobs", launch_of_spec)
    assert (cluster.kind, job.kind, job.name) == ("ConfigMap", "Job", f"{ID}-worker")
    assert job.body["spec"] == {"completions": 3, "parallelism": 3}
    assert "worker-2" in cluster.body["data"]["SUBMARINE_TF_CLUSTER"]


@pytest.mark.parametrize("framework", ["PyTorch", "XGBoost", "Standalone"])
def test_plain_jobs_of_each_framework_can_shrink(framework: str, launch_of_spec: LaunchOf) -> None:
    patches = scaled(body(framework, workers=5), body(framework, workers=3), "indexed_jobs", launch_of_spec)
    cluster, job = patches[:2]
    assert cluster.body["data"]["WORLD_SIZE"] == ("3" if framework == "Standalone" else "4")
    assert job.body["spec"] == {"completions": 3, "parallelism": 3}
    # The record, on the master's Job if there is one, says last that it is done.
    assert "submarine.apache.org/generation" in patches[-1].body["metadata"]["annotations"]


@given(
    one=st.integers(2, 30),
    other=st.integers(2, 30),
    framework=st.sampled_from(["TensorFlow", "PyTorch", "XGBoost", "Standalone"]),
)
def test_patched_is_the_same_as_made_anew(one: int, other: int, framework: str, launch_of_spec: LaunchOf) -> None:
    scaled(body(framework, workers=one), body(framework, workers=other), "indexed_jobs", launch_of_spec)


@pytest.mark.parametrize("kind", ["tfjob", "jobset", "indexed_jobs"])
def test_a_name_can_change_of_every_kind(kind: str, launch_of_spec: LaunchOf) -> None:
    new = body()
    new["meta"] = {**new["meta"], "name": "better", "tags": ["a"]}
    new["runtime"] = {"origin": {"notebook": "a.ipynb", "cell": "c"}}
    *_, own = scaled(body(), new, kind, launch_of_spec)
    assert own.body["metadata"]["annotations"].keys() == set(RECORD)
    assert own.body["metadata"]["annotations"]["submarine.apache.org/name"] == "better"


@pytest.mark.parametrize(("kind", "framework"), [("jobset", "TensorFlow"), ("pytorchjob", "PyTorch")])
def test_of_a_kind_that_is_fixed_only_the_record_changes(kind: str, framework: str, launch_of_spec: LaunchOf) -> None:
    [patch] = changes(launch_of_spec(body(framework)), kind=kind, **SPACE)
    assert patch.body.keys() == {"metadata"}


def test_nothing_that_never_changes_is_patched(launch_of_spec: LaunchOf) -> None:
    new = body(code={"syncMode": "inline", "files": {"a.py": "1"}}, runtime={"secrets": {"A": "canary"}})
    patches = changes(launch_of_spec(new), kind="indexed_jobs", **SPACE)
    cluster = f"{ID}-0b617cea-cluster-1"
    assert [(patch.kind, patch.name) for patch in patches] == [("ConfigMap", cluster), ("Job", f"{ID}-worker")]
    assert "canary" not in str(patches)


@given(number=st.integers(0, 2000), data=st.dictionaries(st.sampled_from(["WORLD_SIZE"]), st.text()), note=st.text())
def test_what_others_have_changed_is_put_right(
    number: int, data: dict[str, str], note: str, launch_of_spec: LaunchOf
) -> None:
    launch = launch_of_spec(body("PyTorch", workers=3))
    for patch, item in zip(*pairs(launch), strict=True):
        found = copy.deepcopy(item)
        found["metadata"]["annotations"] |= (
            dict.fromkeys(RECORD, note) if SPEC in item["metadata"]["annotations"] else {}
        )
        if item["kind"] == "ConfigMap":
            found["data"] |= data
        elif "worker" in item["metadata"]["name"]:
            found["spec"] |= {"completions": number, "parallelism": number}
        assert merged(found, patch.body) == item


def pairs(launch: Launch) -> tuple[list[Patch], list[Json]]:
    """Return the patches of plain Jobs and, for each, its object."""
    patches = changes(launch, kind="indexed_jobs", **SPACE)
    objects = {item["metadata"]["name"]: item for item in render(launch, kind="indexed_jobs", **SPACE)}
    return patches, [objects[patch.name] for patch in patches]


@pytest.mark.parametrize(
    ("kind", "framework", "message"),
    [
        ("jobset", "TensorFlow", "spec.Worker.replicas cannot change while it runs: a JobSet cannot change"),
        ("pytorchjob", "PyTorch", "a PyTorchJob tells its replicas their number at the start"),
        ("xgboostjob", "XGBoost", "an XGBoostJob tells its replicas their number at the start"),
    ],
)
def test_kinds_that_are_fixed(kind: str, framework: str, message: str, launch_of_spec: LaunchOf) -> None:
    with pytest.raises(Conflict, match=message) as caught:
        scaled(body(framework, workers=2), body(framework, workers=3), kind, launch_of_spec)
    assert caught.value.hint is not None
    assert "needs a restart" in caught.value.hint


def test_one_job_alone_cannot_become_a_group(launch_of_spec: LaunchOf) -> None:
    with pytest.raises(Conflict, match="needs other objects"):
        scaled(body("Standalone", workers=1), body("Standalone", workers=2), "indexed_jobs", launch_of_spec)


@pytest.mark.parametrize(("kind", "framework"), [("tfjob", "TensorFlow"), ("indexed_jobs", "Standalone")])
def test_a_queue_admits_once(kind: str, framework: str, launch_of_spec: LaunchOf) -> None:
    queued: dict[str, Any] = {"runtime": {"queue": "team-a"}}
    with pytest.raises(Conflict, match="the queue 'team-a' admitted"):
        scaled(body(framework, workers=2, **queued), body(framework, workers=3, **queued), kind, launch_of_spec)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"environment": {"image": "other"}}, "environment.image cannot change while it runs, only spec.Worker.rep"),
        ({"spec": {"Ps": {"replicas": 2}, "Worker": {}}}, "spec.Ps.replicas cannot change"),
        ({"spec": {"Ps": {}, "Worker": {"resources": "cpu=2"}}}, "spec.Worker.resources cannot change"),
        ({"spec": {"Worker": {}}}, "spec.Ps cannot change"),
        ({"runtime": {"retries": 1}}, "runtime.retries cannot change"),
        ({"runtime": {"secrets": {"A": "new"}}}, "runtime.secrets cannot change"),
    ],
)
@pytest.mark.parametrize("kind", ["tfjob", "indexed_jobs"])
def test_the_rest_cannot_change(kind: str, change: dict[str, Any], message: str, launch_of_spec: LaunchOf) -> None:
    with pytest.raises(Conflict, match=message):
        scaled(body(), body(**change), kind, launch_of_spec)


def test_a_secret_value_cannot_change_and_is_not_told(launch_of_spec: LaunchOf) -> None:
    old, new = (body(runtime={"secrets": {"A": value}}) for value in ("canary-1", "canary-2"))
    with pytest.raises(Conflict, match="secret values cannot change") as caught:
        scaled(old, new, "tfjob", launch_of_spec)
    assert "canary" not in str(caught.value)


def test_a_spec_that_cannot_run_is_not_a_conflict(launch_of_spec: LaunchOf) -> None:
    with pytest.raises(InvalidSpec, match="is not the name of a container image"):
        scaled(body(), body(environment={"image": "A B"}), "tfjob", launch_of_spec)
