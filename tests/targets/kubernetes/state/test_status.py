"""What a real cluster said of experiments, and how they are then."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from submarine_jupyter.models import Status
from submarine_jupyter_server.targets.kubernetes.manifests import KINDS
from submarine_jupyter_server.targets.kubernetes.state import projection
from submarine_jupyter_server.targets.kubernetes.state.snapshot import Snapshot, latest
from submarine_jupyter_server.targets.kubernetes.state.status import observe
from submarine_jupyter_server.targets.kubernetes.state.views import Condition, JobView, PodView
from submarine_jupyter_server.targets.protocol import Observation, ReplicaState
from tests.targets.kubernetes.recordings import Recording
from tests.targets.kubernetes.situations import SITUATIONS

MINUTE = 60_000


def observed(name: str) -> Observation:
    return Recording.load(name).observe(SITUATIONS[name].kind)


def states(seen: Observation) -> dict[str, str]:
    return {replica.name: replica.status for replica in seen.replicas}


def replica(seen: Observation, name: str) -> ReplicaState:
    return next(found for found in seen.replicas if found.name == name)


@pytest.mark.parametrize("name", ["success", "success.jobset", "success.jobs"])
def test_success_is_that_of_the_workers_and_stops_the_parameter_server(name: str) -> None:
    seen = observed(name)
    assert (seen.status, seen.reason, seen.message) == (Status.SUCCEEDED, None, None)
    assert states(seen) == {"ps-0": "Stopped", "worker-0": "Succeeded", "worker-1": "Succeeded"}
    assert replica(seen, "worker-1").exit_code == 0
    assert replica(seen, "worker-1").node == "real-0"


@pytest.mark.parametrize("name", ["success", "success.jobset", "success.jobs", "crash", "crash.jobset", "crash.jobs"])
def test_times_come_from_the_cluster_and_are_in_order(name: str) -> None:
    seen = observed(name)
    own = Recording.load(name).snapshot().own
    assert own is not None
    assert seen.created_ms == own.created_ms
    assert seen.created_ms is not None
    assert seen.running_ms is not None
    assert seen.finished_ms is not None
    assert seen.created_ms <= seen.running_ms <= seen.finished_ms == seen.at_ms
    for one in seen.replicas:
        assert seen.created_ms <= (one.started_ms or 0) <= (one.finished_ms or 0)


@pytest.mark.parametrize(
    ("name", "culprit", "others"),
    [
        ("crash", "worker-0", {"ps-0": "Stopped"}),
        ("crash.jobset", "worker-0", {"ps-0": "Stopped"}),
        ("crash.jobs", "worker-0", {"ps-0": "Stopped"}),
        ("crash.pytorch", "worker-0", {"master-0": "Stopped"}),
        ("crash.ps", "ps-0", {"worker-0": "Stopped"}),
    ],
)
def test_a_crash_fails_the_experiment_and_stops_the_others(name: str, culprit: str, others: dict[str, str]) -> None:
    seen = observed(name)
    assert seen.status == Status.FAILED
    assert states(seen) == {culprit: "Failed", **others}
    found = replica(seen, culprit)
    assert (found.exit_code, found.signal, found.reason) == (3, None, "ReplicaFailed")
    assert found.message == f"{culprit} failed with exit code 3; last lines:\nepoch 1\nloss is nan"
    assert seen.message == found.message


def test_a_signal_has_its_name() -> None:
    found = replica(observed("signal"), "worker-0")
    assert (found.status, found.exit_code, found.signal) == ("Failed", 139, "SIGSEGV")


@pytest.mark.parametrize(("name", "restarts"), [("retries", 2), ("retries.jobset", 1), ("retries.jobs", 1)])
def test_restarts_are_counted_and_noted(name: str, restarts: int) -> None:
    # The Training Operator lets it start once more than it was told, and then removes it.
    seen = observed(name)
    assert seen.status == Status.FAILED
    assert states(seen) == {"worker-0": "Failed"}
    assert replica(seen, "worker-0").restarts == restarts
    assert seen.notes == (f"the cluster starts worker-0 for the {('second', 'third')[restarts - 1]} time",)


@pytest.mark.parametrize("name", ["crash_loop", "restarting.jobs"])
def test_what_is_started_again_runs(name: str) -> None:
    seen = observed(name)
    assert (seen.status, seen.finished_ms) == (Status.RUNNING, None)
    assert seen.running_ms is not None
    found = replica(seen, "worker-0")
    assert (found.status, found.exit_code, found.finished_ms) == ("Waiting", 3, None)


@pytest.mark.parametrize("name", ["gpu", "selector", "claim", "image", "secret", "volume", "master", "operator"])
def test_what_waits_for_its_replicas_is_created(name: str) -> None:
    seen = observed(name)
    assert (seen.status, seen.running_ms) == (Status.CREATED, None)
    assert seen.created_ms is not None


def test_a_parameter_server_that_runs_is_not_running() -> None:
    assert states(observed("gpu")) == {"ps-0": "Running", "worker-0": "Waiting", "worker-1": "Waiting"}


@pytest.mark.parametrize("name", ["queue", "suspended"])
def test_what_is_held_in_a_queue_is_accepted(name: str) -> None:
    seen = observed(name)
    assert (seen.status, seen.created_ms) == (Status.ACCEPTED, None)


def test_what_ran_and_is_suspended_again_does_not_go_back() -> None:
    before = Recording.load("crash_loop").snapshot()
    assert before.own is not None
    own = replace(before.own, suspended=True, conditions=(Condition("Suspended", True),))
    gone = tuple(replace(pod, gone=True) for pod in before.pods)
    seen = observe(replace(before, own=own, pods=gone), kind=KINDS["tfjob"], now_ms=own.created_ms + MINUTE)
    assert (seen.status, seen.reason) == (Status.RUNNING, "Suspended")
    assert states(seen) == {"worker-0": "Waiting"}


def test_a_pod_that_vanished_after_its_end_is_remembered() -> None:
    before = Recording.load("crash_loop").snapshot()
    own = replace(before.own, conditions=()) if before.own else None
    [pod] = before.pods
    done = replace(
        pod, phase="Succeeded", container=replace(pod.container, state="terminated", exit_code=0, finished_ms=1)
    )
    for gone in (replace(done, gone=True), replace(done, gone=True, deleting=True, deleted_ms=MINUTE)):
        seen = observe(replace(before, own=own, pods=(gone,)), kind=KINDS["tfjob"], now_ms=2 * MINUTE)
        assert states(seen) == {"worker-0": "Succeeded"}


def test_a_pod_that_was_removed_while_it_ran_is_made_anew() -> None:
    before = Recording.load("crash.jobs").snapshot()
    assert before.own is not None
    own = replace(before.own, conditions=(), finished_ms=None)
    running = [
        replace(pod, phase="Running", gone=True, container=replace(pod.container, state="running", exit_code=None))
        for pod in before.pods
    ]
    seen = observe(
        replace(before, own=own, jobs=(), pods=tuple(running)), kind=KINDS["indexed_jobs"], now_ms=own.created_ms
    )
    assert (seen.status, states(seen)) == (Status.RUNNING, {"ps-0": "Waiting", "worker-0": "Waiting"})


def test_success_that_nobody_saw_is_that_of_those_who_decide() -> None:
    before = Recording.load("success").snapshot()
    seen = observe(replace(before, pods=()), kind=KINDS["tfjob"], now_ms=0)
    assert states(seen) == {"ps-0": "Stopped", "worker-0": "Succeeded", "worker-1": "Succeeded"}


def test_when_the_end_of_a_pod_was_asked_for_is_not_forgotten() -> None:
    [pod] = Recording.load("removed").snapshot().pods
    assert pod.deleted_ms is not None
    assert latest(replace(pod, deleted_ms=5), pod).deleted_ms == 5
    assert latest(replace(pod, deleted_ms=5), replace(pod, deleted_ms=None)).deleted_ms == 5
    assert latest(replace(pod, deleted_ms=5, uid="another"), pod) == pod
    assert latest(None, pod) == pod


@pytest.mark.parametrize(("exit_code", "status"), [(137, "Stopped"), (143, "Stopped"), (1, "Failed")])
def test_an_end_by_order_that_was_seen_late(exit_code: int, status: str) -> None:
    before = Recording.load("removed").snapshot()
    [pod] = before.pods
    ended = pod.container.finished_ms or 0
    late = replace(pod, deleted_ms=ended + 1000, container=replace(pod.container, exit_code=exit_code))
    seen = observe(replace(before, pods=(late,)), kind=KINDS["indexed_jobs"], now_ms=0)
    assert states(seen) == {"worker-0": status}


def test_replicas_that_are_no_longer_wanted_are_told_once_more() -> None:
    before = Recording.load("gpu").snapshot()
    spec = before.launch.spec.model_copy(deep=True)
    spec.spec["Worker"].replicas = 1
    seen = observe(replace(before, launch=replace(before.launch, spec=spec)), kind=KINDS["tfjob"], now_ms=0)
    assert states(seen) == {"ps-0": "Running", "worker-0": "Waiting", "worker-1": "Stopped"}
    assert replica(seen, "worker-1").reason == "ScaledDown"


def _plain_job(before: JobView, role: str, condition: str) -> JobView:
    conditions = (Condition(condition, True, at_ms=MINUTE),) if condition else ()
    return replace(before, role=role, conditions=conditions, finished_ms=None, name=f"x-{role}")


@pytest.mark.parametrize(
    ("roles", "ends", "status"),
    [
        ({"Chief": {}, "Worker": {}, "Ps": {}}, {"chief": "Complete"}, Status.SUCCEEDED),
        ({"Chief": {}, "Worker": {}, "Ps": {}}, {"worker": "Complete", "ps": "Complete"}, Status.RUNNING),
        ({"Chief": {}, "Worker": {}, "Ps": {}}, {"worker": "Failed"}, Status.FAILED),
        ({"Worker": {}, "Ps": {}}, {"worker": "Complete"}, Status.SUCCEEDED),
        ({"Worker": {}, "Ps": {}}, {"ps": "Complete"}, Status.RUNNING),
        ({"Worker": {}, "Ps": {}}, {"ps": "Failed"}, Status.FAILED),
        ({"Worker": {}, "Ps": {}}, {"ps": "Failed", "worker": "Complete"}, Status.SUCCEEDED),
        ({"Worker": {}, "Ps": {}}, {"worker": "FailureTarget", "ps": "SuccessCriteriaMet"}, Status.RUNNING),
    ],
)
def test_plain_jobs_end_with_those_who_decide(roles: dict[str, Any], ends: dict[str, str], status: Status) -> None:
    before = Recording.load("success.jobs").snapshot()
    assert before.own is not None
    spec = before.launch.spec.wire() | {"spec": roles}
    launch = replace(before.launch, spec=type(before.launch.spec).parse(spec))
    first, *rest = (_plain_job(before.own, role.lower(), ends.get(role.lower(), "")) for role in roles)
    seen = Snapshot(launch, first, tuple(rest), before.pods)
    assert observe(seen, kind=KINDS["indexed_jobs"], now_ms=0).status == status


def _spoil(draw: Callable[[st.SearchStrategy[Any]], Any], value: Any) -> Any:
    """Return JSON with some of its parts missing or replaced by nonsense."""
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if draw(st.integers(0, 30))}
        return {key: _spoil(draw, item) if draw(st.booleans()) else item for key, item in kept.items()}
    if isinstance(value, list):
        return [_spoil(draw, item) for item in value if draw(st.integers(0, 15))]
    return draw(NONSENSE) if not draw(st.integers(0, 12)) else value


NONSENSE = st.sampled_from(
    [
        None,
        -1,
        2**80,
        1.5,
        True,
        "",
        "x" * 10_000,
        "\ud800\x1b[31m\0",
        "Unknown",
        "9999-99-99",
        [],
        {},
        [None],
        {"": 0},
    ]
)


def _parts(recording: Recording) -> Iterator[tuple[Callable[[object], Any], Any]]:
    for item in [recording.own, *recording.jobs]:
        yield projection.job, item
    for item in [*recording.pods, *recording.gone]:
        yield projection.pod, item
    for item in recording.events:
        yield projection.event, item


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_spoiled_objects_are_a_value_error_or_an_observation(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(SITUATIONS)))
    recording, kind = Recording.load(name), SITUATIONS[name].kind
    views = []
    for project, item in _parts(recording):
        with suppress(ValueError):
            views.append(project(_spoil(data.draw, copy.deepcopy(item)) if data.draw(st.booleans()) else item))
    jobs = [view for view in views if isinstance(view, JobView)]
    pods = [replace(view, gone=data.draw(st.booleans())) for view in views if isinstance(view, PodView)]
    events = [view for view in views if not isinstance(view, JobView | PodView)]
    own = next((job for job in jobs if job.name == recording.own["metadata"]["name"]), None)
    rest = tuple(job for job in jobs if job is not own)
    launch = recording.snapshot().launch
    seen = observe(
        Snapshot(launch, own, rest, tuple(pods), tuple(events)),
        kind=KINDS[kind],
        now_ms=data.draw(st.integers(0, 2**42)),
    )
    assert seen.status in (Status.ACCEPTED, Status.CREATED, Status.RUNNING, Status.SUCCEEDED, Status.FAILED)
    assert len(seen.message or "") <= 300 + 10 * 301 + 20
    assert "\x1b" not in (seen.message or "")
    assert (seen.message is None) == (seen.reason is None)
    assert len(seen.replicas) >= len(recording.observe(kind).replicas)
