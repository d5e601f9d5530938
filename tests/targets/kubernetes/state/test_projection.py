"""Real objects become small views, and half of one becomes as much or a ValueError."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submarine_jupyter_server.targets.kubernetes.manifests.recognition.metadata import UID
from submarine_jupyter_server.targets.kubernetes.state import projection
from tests.targets.kubernetes.recordings import ID, Recording

Json = dict[str, Any]
START = 1_700_000_000_000


def first(name: str, part: str) -> Json:
    found = copy.deepcopy(getattr(Recording.load(name), part))
    item: Json = found if isinstance(found, dict) else found[0]
    return item


def test_a_pod_that_crashed() -> None:
    view = projection.pod(next(pod for pod in Recording.load("crash").pods if "worker" in pod["metadata"]["name"]))
    assert (view.experiment_id, view.replica, view.node) == (ID, "worker-0", "real-0")
    assert (view.phase, view.init, view.conditions, view.gone) == ("Failed", None, (), False)
    container = view.container
    assert (container.name, container.state, container.reason) == ("tensorflow", "terminated", "Error")
    assert (container.exit_code, container.message) == (3, "epoch 1\nloss is nan\n")
    assert view.created_ms <= (container.started_ms or 0) <= (container.finished_ms or 0)


def test_a_pod_that_waits_for_a_node() -> None:
    view = projection.pod(next(pod for pod in Recording.load("gpu").pods if "worker" in pod["metadata"]["name"]))
    assert (view.phase, view.node) == ("Pending", None)
    assert [(item.type, item.status, item.reason) for item in view.conditions] == [
        ("PodScheduled", False, "Unschedulable")
    ]
    assert dict(view.requests) == {"cpu": "1", "nvidia.com/gpu": "64"}


def test_a_pod_whose_init_container_runs() -> None:
    view = projection.pod(next(pod for pod in Recording.load("master").pods if "worker" in pod["metadata"]["name"]))
    assert view.init is not None
    assert (view.init.name, view.init.state, view.container.state) == ("init-pytorch", "running", "waiting")


def test_a_pod_of_a_job_that_was_tried_again() -> None:
    views = [projection.pod(pod) for pod in Recording.load("retries.jobs").pods]
    assert sorted(view.tries for view in views) == [0, 1]
    assert {projection.pod(pod).tries for pod in Recording.load("retries.jobset").pods} == {1}


def test_a_pod_that_is_being_removed_and_when_that_was_asked_for() -> None:
    view = projection.pod(first("deadline.jobs", "gone"))
    assert view.deleting
    assert view.deleted_ms is not None
    assert (view.container.finished_ms or 0) - view.deleted_ms == 30_000  # it did not end by itself in time


def test_the_training_container_is_found_beside_others() -> None:
    item = first("memory", "pods")
    item["spec"]["containers"].insert(0, {"name": "proxy", "image": "proxy:1"})
    item["status"]["containerStatuses"].insert(0, {"name": "proxy", "state": {"running": {}}})
    view = projection.pod(item).container
    assert (view.name, view.reason, view.memory_limit) == ("tensorflow", "OOMKilled", "64Mi")


def test_a_container_that_never_started_has_no_time_of_it() -> None:
    assert projection.pod(first("folder", "pods")).container.started_ms is None


@pytest.mark.parametrize(
    ("name", "kind", "end"),
    [("crash", "TFJob", "Failed"), ("crash.jobset", "JobSet", "Failed"), ("success.jobs", "Job", "Complete")],
)
def test_an_own_object_that_ended(name: str, kind: str, end: str) -> None:
    raw = first(name, "own")
    view = projection.job(raw)
    assert (view.kind, view.experiment_id, view.answered) == (kind, ID, True)
    assert end in {item.type for item in view.conditions if item.status}
    assert view.finished_ms is not None
    assert view.finished_ms >= view.created_ms
    assert dict(view.notes)[UID] == raw["metadata"]["annotations"][UID]


def test_a_job_of_a_job_set_is_of_the_experiment() -> None:
    views = [projection.job(job) for job in Recording.load("quota.jobset").jobs]
    assert [(view.kind, view.experiment_id, view.role) for view in views] == [("Job", ID, "worker")]


def test_an_object_of_a_list_says_not_that_it_is_a_job() -> None:
    item = first("success.jobs", "own")
    del item["kind"]
    assert projection.job(item).kind == "Job"


def test_suspended_and_in_a_queue() -> None:
    assert projection.job(first("suspended", "own")).suspended
    view = projection.job(first("queue", "own"))
    assert (view.suspended, view.queue) == (True, "team-a")
    assert not projection.job(first("operator", "own")).answered


def test_an_event() -> None:
    found = [projection.event(item) for item in Recording.load("quota").events]
    refused = [view for view in found if view.reason == "FailedCreatePod"]
    own = first("quota", "own")["metadata"]
    assert {(view.kind, view.object_name, view.object_uid) for view in refused} == {("TFJob", ID, own["uid"])}
    assert all(view.at_ms > START and view.count > 0 for view in found)


def test_a_workload() -> None:
    condition = {"type": "QuotaReserved", "status": "False", "reason": "Pending", "message": "no"}
    view = projection.workload(
        {
            "metadata": {"name": "w", "ownerReferences": [{"uid": "u"}]},
            "spec": {"queueName": "team-a"},
            "status": {"conditions": [condition]},
        }
    )
    assert (view.name, view.owner_uid, view.queue) == ("w", "u", "team-a")
    assert [(item.type, item.status, item.message) for item in view.conditions] == [("QuotaReserved", False, "no")]


@pytest.mark.parametrize("field", ["name", "namespace", "uid", "creationTimestamp"])
@pytest.mark.parametrize("value", [None, "", 5, {}])
def test_a_pod_without_identity_is_a_value_error(field: str, value: object) -> None:
    item = first("crash", "pods")
    item["metadata"][field] = value
    with pytest.raises(ValueError, match=field if field != "creationTimestamp" else "time of creation"):
        projection.pod(item)


@pytest.mark.parametrize("part", ["labels", "annotations"])
@pytest.mark.parametrize("value", [None, "", {}, {"submarine.apache.org/role": "ps"}, {"x": "y" * 300_000}])
def test_whose_a_pod_is_stands_in_its_name_whatever_its_labels_say(part: str, value: object) -> None:
    item = first("crash", "pods")
    before = projection.pod(item)
    item["metadata"][part] = value
    assert projection.pod(item) == before


@pytest.mark.parametrize(
    ("name", "replica"),
    [
        (f"{ID}-worker-3", ("worker", 3)),
        (f"{ID}-worker-12-x2x4z", ("worker", 12)),
        (f"{ID}-worker-0-24567", ("worker", 0)),
        (f"{ID}-ps-0-11-x2x4z", ("ps", 11)),
        (f"{ID}-copy-of-it", None),
        (f"{ID}-worker-0-copy-1", None),
        (f"x{ID}-worker-0", None),
        ("experiment-1-1-worker-0", None),
        (f"{ID}-worker-{'9' * 40}", None),
    ],
)
def test_names_of_replicas_in_each_kind(name: str, replica: tuple[str, int] | None) -> None:
    item = first("crash", "pods")
    item["metadata"]["name"] = name
    view = projection.pod(item)
    assert (view.experiment_id, view.role, view.index) == ((ID, *replica) if replica else ("", "", -1))


def test_who_made_an_object_is_its_controller() -> None:
    item = first("crash", "pods")
    item["metadata"]["ownerReferences"] = [{"uid": "other"}, {"uid": "maker", "controller": True}]
    assert projection.pod(item).owner_uid == "maker"
    item["metadata"]["ownerReferences"] = [{"uid": "other"}]
    assert projection.pod(item).owner_uid == "other"
    item["metadata"]["ownerReferences"] = "nonsense"
    assert projection.pod(item).owner_uid == ""


@pytest.mark.parametrize(
    ("name", "replicas"),
    [("gpu", {"ps": 1, "worker": 2}), ("success.jobs", {"worker": 2}), ("success.jobset", {"worker": 0, "ps": 0})],
)
def test_how_many_replicas_an_object_wants(name: str, replicas: dict[str, int]) -> None:
    """Recordings have no templates, in which a JobSet says it."""
    assert dict(projection.job(first(name, "own")).replicas) == replicas


def test_what_keeps_an_object_from_going_is_named_but_for_what_goes_by_itself() -> None:
    item = first("crash", "own")
    item["metadata"]["finalizers"] = ["foregroundDeletion", "example.com/stuck", "batch.kubernetes.io/job-tracking"]
    assert projection.job(item).finalizers == ("example.com/stuck",)


def test_a_megabyte_is_cut() -> None:
    item = first("image", "pods")
    item["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": "x" * 2**20, "message": "y" * 2**20}}
    item["status"]["message"] = "z" * 2**20
    assert len(repr(projection.pod(item))) < 20_000
    item["status"]["containerStatuses"][0]["state"] = {
        "terminated": {"message": "a" * 2**20 + "the end", "exitCode": 1}
    }
    assert projection.pod(item).container.message.endswith("the end")


def test_a_pod_that_runs_takes_little_room() -> None:
    view = projection.pod(next(pod for pod in Recording.load("quota").pods if pod["status"]["phase"] == "Running"))
    assert len(repr(view)) < 1500


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)
PROJECTIONS: list[Callable[[object], object]] = [
    projection.pod,
    projection.job,
    projection.event,
    projection.workload,
]


@given(values, st.sampled_from(PROJECTIONS))
def test_any_json_is_a_view_or_a_value_error(value: object, project: Callable[[object], object]) -> None:
    with suppress(ValueError):
        project(value)


@given(st.data(), st.sampled_from(["image", "master", "crash", "quota.jobset", "retries.jobs"]))
def test_one_field_of_another_type(data: st.DataObject, name: str) -> None:
    recording = Recording.load(name)
    item = data.draw(st.sampled_from([recording.own, *recording.jobs, *recording.pods, *recording.events]))
    part: Any = item
    while True:
        key = data.draw(st.sampled_from(sorted(part)) if isinstance(part, dict) else st.integers(0, len(part) - 1))
        if not isinstance(part[key], dict | list) or not part[key] or data.draw(st.booleans()):
            part[key] = data.draw(values)
            break
        part = part[key]
    for project in PROJECTIONS:
        with suppress(ValueError):
            project(item)
