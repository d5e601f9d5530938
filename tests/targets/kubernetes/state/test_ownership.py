"""Whose an object is: by what was made and who made whom, in whatever order the streams tell of it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submarine_jupyter_server.targets.kubernetes.manifests import ClusterOptions, render
from submarine_jupyter_server.targets.kubernetes.manifests.recognition.seal import SEAL, seal
from submarine_jupyter_server.targets.kubernetes.state import projection
from submarine_jupyter_server.targets.kubernetes.state.ownership import Ownership, Signature
from submarine_jupyter_server.targets.kubernetes.state.views import JobView, PodView
from submarine_jupyter_server.targets.protocol import Launch, Made
from tests.targets.kubernetes.small_cluster import ID, KEY, launch

OTHER = "experiment-1647574374688-0003"
SIGNATURE = Signature(KEY, "test", "kubernetes")
OPTIONS = ClusterOptions(instance="test", target="kubernetes", key=KEY)
Json = dict[str, Any]


def own(of: Launch, uid: str = "own", *, kind: str = "tfjob", sealed: bool = False, **meta: Any) -> JobView:
    """Return the own object of a launch as the cluster has it."""
    item = render(of, kind=kind, namespace="ns", options=OPTIONS)[0]
    item["metadata"] |= {"uid": uid, "creationTimestamp": "2026-11-28T00:00:00Z"}
    if sealed:
        ref = projection.job(item).ref
        notes = item["metadata"]["annotations"]
        notes[SEAL] = seal(KEY, notes, ref, of.experiment_id, "test", "kubernetes")
    item["metadata"] |= meta
    return projection.job(item)


def child(uid: str, owner: str, name: str = f"{ID}-worker-0", *, controller: bool = True) -> JobView:
    return projection.job({"kind": "Job", "metadata": _meta(uid, owner, name, controller)})


def pod(uid: str, owner: str, name: str = f"{ID}-worker-0") -> PodView:
    return projection.pod({"metadata": _meta(uid, owner, name, True)})


def _meta(uid: str, owner: str, name: str, controller: bool) -> Json:
    owners = [{"uid": owner, "controller": controller}]
    stamp = "2026-11-28T00:00:00Z"
    return {"name": name, "namespace": "ns", "uid": uid, "creationTimestamp": stamp, "ownerReferences": owners}


def made_of(view: JobView, of: Launch) -> Made:
    return Made(of.experiment_id, of.uid, of.attempt, of.generation, (view.ref,))


def names(ownership: Ownership) -> list[str]:
    return sorted(job.name for job, _ in ownership.strangers())


@pytest.mark.parametrize("order", [*itertools.permutations(range(4))])
def test_the_order_in_which_it_is_told_does_not_matter(order: tuple[int, ...]) -> None:
    """A JobSet was made, it made a Job, that made a pod: who comes first is chance."""
    ownership, view = Ownership(SIGNATURE), own(launch(), kind="jobset")
    state = ownership.state_of(ID)
    steps: list[Callable[[], object]] = [
        lambda: ownership.claim(state, made_of(view, launch())),
        lambda: ownership.put_job(view),
        lambda: ownership.put_job(child("job", "own")),
        lambda: ownership.put_pod(pod("pod", "job", f"{ID}-worker-0-0-x2x4z")),
    ]
    for step in order:
        steps[step]()
    assert (state.own, set(state.jobs), set(state.pods)) == (view, {"job"}, {"pod"})
    assert names(ownership) == []


def test_a_copy_is_a_stranger_and_so_are_its_pods() -> None:
    ownership, view = Ownership(SIGNATURE), own(launch())
    state = ownership.state_of(ID)
    ownership.claim(state, made_of(view, launch()))
    ownership.put_job(view)
    for copy in (
        own(launch(), "copy", name=f"{ID}-copy"),
        own(launch(), "away", namespace="other"),
        own(launch(), "again"),
    ):
        assert ownership.put_job(copy) == (None, [])
        assert ownership.put_pod(pod(f"pod of {copy.uid}", copy.uid)) is None
        ownership.drop_job(copy)
    assert (state.own, state.jobs, state.pods) == (view, {}, {})


def test_why_something_is_strange_is_said() -> None:
    ownership, view = Ownership(SIGNATURE), own(launch())
    ownership.claim(ownership.state_of(ID), made_of(view, launch()))
    other = launch(experiment_id=OTHER)
    signed = own(other, "sealed", sealed=True)
    spoilt = replace(signed, uid="spoilt", name=f"{OTHER}x", experiment_id="")
    for stranger in (own(launch(), "again"), own(other, "new"), replace(signed, uid="moved"), spoilt):
        ownership.put_job(stranger)
    assert {job.uid: why for job, why in ownership.strangers()} == {
        "again": f"{ID} is the TFJob ns/{ID} with another uid",
        "new": "its record is not signed",
        "moved": "its record is not signed by this server, or was changed after that",
        "spoilt": "this server never assigns its name",
    }
    assert ownership.described()["count"] == 4


def test_what_bears_the_token_of_an_order_is_found_until_something_was_made() -> None:
    """Afterwards everybody can read the token, and only the uid counts."""
    ownership, of = Ownership(SIGNATURE), launch()
    state = ownership.state_of(ID)
    state.launch = of
    view = own(of)
    ownership.put_job(view)
    ownership.put_job(own(launch(attempt=2), "second"))
    ownership.put_job(own(of, "elsewhere", namespace="other"))
    assert list(ownership.bearing_token(state)) == [view.ref]
    assert "own" not in {job.uid for job, _ in ownership.strangers()}
    ownership.claim(state, made_of(view, of))
    ownership.put_job(own(of, "again"))
    assert "again" in {job.uid for job, _ in ownership.strangers()}


def test_a_signed_record_is_taken_up_and_no_other() -> None:
    ownership = Ownership(SIGNATURE)
    state, _ = ownership.put_job(own(launch(generation=3), sealed=True))
    assert state is not None
    assert state.made is not None
    assert (state.authentic, state.made.generation, state.made.uid) == (True, 3, launch().uid)
    for other in (
        Signature(b"another key", "test", "kubernetes"),
        Signature(KEY, "another", "kubernetes"),
        Signature(b"", "test", "kubernetes"),
    ):
        ownership = Ownership(other)
        assert ownership.put_job(own(launch(), sealed=True)) == (None, [])
        assert ownership.experiments == {}


def test_a_newer_record_counts_more_than_what_was_known_and_an_older_one_less() -> None:
    """A database of yesterday knows the first attempt only."""
    ownership, first, second = Ownership(SIGNATURE), own(launch(), "first"), launch(attempt=2, generation=2)
    state = ownership.state_of(ID)
    ownership.claim(state, made_of(first, launch()))
    ownership.put_job(own(second, "second", sealed=True))
    assert state.ref is not None
    assert (state.ref.uid, state.present) == ("second", 2)
    assert ownership.put_job(own(launch(), "third", sealed=True))[0] is None


def test_a_job_of_another_role_is_found_again_with_a_restored_one_only() -> None:
    of = launch(workers=2)
    body = of.spec.wire()
    body["spec"]["Ps"] = {"replicas": 1, "resources": "cpu=1"}
    of = replace(of, spec=type(of.spec).parse(body))
    leader = own(of, kind="indexed_jobs", sealed=True)
    _, *rest = render(of, kind="indexed_jobs", namespace="ns", options=OPTIONS)
    other = next(item for item in rest if item["kind"] == "Job")
    other["metadata"] |= _meta("role", leader.uid, other["metadata"]["name"], False)
    for restored in (True, False):
        ownership = Ownership(SIGNATURE)
        if restored:
            state, _ = ownership.put_job(leader)
            assert state is not None
        else:
            state = ownership.state_of(ID)
            state.launch = of
            ownership.claim(state, made_of(leader, of))
        assert (ownership.put_job(projection.job(other))[0] is state) == restored
        assert state.made is not None
        assert len(state.made.objects) == 1 + restored


def test_a_pod_stays_ours_when_somebody_takes_its_owner_away() -> None:
    ownership, view = Ownership(SIGNATURE), own(launch())
    state = ownership.state_of(ID)
    ownership.claim(state, made_of(view, launch()))
    ownership.put_pod(pod("pod", "own"))
    orphan = replace(pod("pod", ""), owner_uid="")
    assert ownership.put_pod(orphan) is state
    assert ownership.drop_pod(orphan) is state
    assert set(state.past) == {"pod"}


def test_a_pod_that_names_another_experiment_is_of_nobody() -> None:
    """Who may make pods may let them belong to an object of ours."""
    ownership, view = Ownership(SIGNATURE), own(launch())
    ownership.claim(ownership.state_of(ID), made_of(view, launch()))
    ownership.state_of(OTHER)
    assert ownership.put_pod(pod("forged", "own", f"{OTHER}-worker-0")) is None
    assert ownership.put_pod(pod("nameless", "own", "anything")) is None


@given(
    st.lists(st.tuples(st.sampled_from(["job", "pod", "drop job", "drop pod", "claim", "forget"]), st.integers(0, 3)))
)
def test_nothing_is_kept_of_what_has_gone(steps: list[tuple[str, int]]) -> None:
    """Whatever comes and goes in whatever order: in the end as little is remembered as there is."""
    ownership = Ownership(SIGNATURE)
    jobs = [own(launch(), str(i)) for i in range(4)]
    pods = [pod(f"pod {i}", str(i)) for i in range(4)]
    for step, i in [*steps, *(("drop job", i) for i in range(4)), *(("drop pod", i) for i in range(4)), ("forget", 0)]:
        state = ownership.state_of(ID)
        if step == "job":
            ownership.put_job(jobs[i])
        elif step == "pod":
            ownership.put_pod(pods[i])
        elif step == "drop job":
            ownership.drop_job(jobs[i])
        elif step == "drop pod":
            ownership.drop_pod(pods[i])
        elif step == "claim":
            ownership.claim(state, replace(made_of(jobs[i], launch()), attempt=i + 1))
        else:
            ownership.forget(state)
        for known in ownership.experiments.values():
            assert known.own is None or known.own.uid in known.uids
    assert (ownership.experiments, ownership._of, ownership._jobs, ownership._jobs_of) == ({}, {}, {}, {})
