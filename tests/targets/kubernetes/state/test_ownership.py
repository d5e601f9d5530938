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


def names(belongings: Ownership) -> list[str]:
    return sorted(job.name for job, _ in belongings.strangers())


@pytest.mark.parametrize("order", [*itertools.permutations(range(4))])
def test_the_order_in_which_it_is_told_does_not_matter(order: tuple[int, ...]) -> None:
    """A JobSet was made, it made a Job, that made a pod: who comes first is chance."""
    belongings, view = Ownership(SIGNATURE), own(launch(), kind="jobset")
    tracked = belongings.tracked(ID)
    steps: list[Callable[[], object]] = [
        lambda: belongings.claim(tracked, made_of(view, launch())),
        lambda: belongings.put_job(view),
        lambda: belongings.put_job(child("job", "own")),
        lambda: belongings.put_pod(pod("pod", "job", f"{ID}-worker-0-0-x2x4z")),
    ]
    for step in order:
        steps[step]()
    assert (tracked.own, set(tracked.jobs), set(tracked.pods)) == (view, {"job"}, {"pod"})
    assert names(belongings) == []


def test_a_copy_is_a_stranger_and_so_are_its_pods() -> None:
    belongings, view = Ownership(SIGNATURE), own(launch())
    tracked = belongings.tracked(ID)
    belongings.claim(tracked, made_of(view, launch()))
    belongings.put_job(view)
    for copy in (
        own(launch(), "copy", name=f"{ID}-copy"),
        own(launch(), "away", namespace="other"),
        own(launch(), "again"),
    ):
        assert belongings.put_job(copy) == (None, [])
        assert belongings.put_pod(pod(f"pod of {copy.uid}", copy.uid)) is None
        belongings.drop_job(copy)
    assert (tracked.own, tracked.jobs, tracked.pods) == (view, {}, {})


def test_why_something_is_strange_is_said() -> None:
    belongings, view = Ownership(SIGNATURE), own(launch())
    belongings.claim(belongings.tracked(ID), made_of(view, launch()))
    other = launch(experiment_id=OTHER)
    signed = own(other, "sealed", sealed=True)
    spoilt = replace(signed, uid="spoilt", name=f"{OTHER}x", experiment_id="")
    for stranger in (own(launch(), "again"), own(other, "new"), replace(signed, uid="moved"), spoilt):
        belongings.put_job(stranger)
    assert {job.uid: why for job, why in belongings.strangers()} == {
        "again": f"{ID} is the TFJob ns/{ID} with another uid",
        "new": "its record is not signed",
        "moved": "its record is not signed by this server, or was changed after that",
        "spoilt": "its name is none that this server gives",
    }
    assert belongings.described()["count"] == 4


def test_what_bears_the_token_of_an_order_is_found_until_something_was_made() -> None:
    """Afterwards everybody can read the token, and only the uid counts."""
    belongings, of = Ownership(SIGNATURE), launch()
    tracked = belongings.tracked(ID)
    tracked.launch = of
    view = own(of)
    belongings.put_job(view)
    belongings.put_job(own(launch(attempt=2), "second"))
    belongings.put_job(own(of, "elsewhere", namespace="other"))
    assert list(belongings.bearing_token(tracked)) == [view.ref]
    assert "own" not in {job.uid for job, _ in belongings.strangers()}
    belongings.claim(tracked, made_of(view, of))
    belongings.put_job(own(of, "again"))
    assert "again" in {job.uid for job, _ in belongings.strangers()}


def test_a_signed_record_is_taken_up_and_no_other() -> None:
    belongings = Ownership(SIGNATURE)
    tracked, _ = belongings.put_job(own(launch(generation=3), sealed=True))
    assert tracked is not None
    assert tracked.made is not None
    assert (tracked.authentic, tracked.made.generation, tracked.made.uid) == (True, 3, launch().uid)
    for other in (
        Signature(b"another key", "test", "kubernetes"),
        Signature(KEY, "another", "kubernetes"),
        Signature(b"", "test", "kubernetes"),
    ):
        belongings = Ownership(other)
        assert belongings.put_job(own(launch(), sealed=True)) == (None, [])
        assert belongings.experiments == {}


def test_a_newer_record_counts_more_than_what_was_known_and_an_older_one_less() -> None:
    """A database of yesterday knows the first attempt only."""
    belongings, first, second = Ownership(SIGNATURE), own(launch(), "first"), launch(attempt=2, generation=2)
    tracked = belongings.tracked(ID)
    belongings.claim(tracked, made_of(first, launch()))
    belongings.put_job(own(second, "second", sealed=True))
    assert tracked.ref is not None
    assert (tracked.ref.uid, tracked.present) == ("second", 2)
    assert belongings.put_job(own(launch(), "third", sealed=True))[0] is None


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
        belongings = Ownership(SIGNATURE)
        if restored:
            tracked, _ = belongings.put_job(leader)
            assert tracked is not None
        else:
            tracked = belongings.tracked(ID)
            tracked.launch = of
            belongings.claim(tracked, made_of(leader, of))
        assert (belongings.put_job(projection.job(other))[0] is tracked) == restored
        assert tracked.made is not None
        assert len(tracked.made.objects) == 1 + restored


def test_a_pod_stays_ours_when_somebody_takes_its_owner_away() -> None:
    belongings, view = Ownership(SIGNATURE), own(launch())
    tracked = belongings.tracked(ID)
    belongings.claim(tracked, made_of(view, launch()))
    belongings.put_pod(pod("pod", "own"))
    orphan = replace(pod("pod", ""), owner_uid="")
    assert belongings.put_pod(orphan) is tracked
    assert belongings.drop_pod(orphan) is tracked
    assert set(tracked.past) == {"pod"}


def test_a_pod_that_names_another_experiment_is_of_nobody() -> None:
    """Who may make pods may let them belong to an object of ours."""
    belongings, view = Ownership(SIGNATURE), own(launch())
    belongings.claim(belongings.tracked(ID), made_of(view, launch()))
    belongings.tracked(OTHER)
    assert belongings.put_pod(pod("forged", "own", f"{OTHER}-worker-0")) is None
    assert belongings.put_pod(pod("nameless", "own", "anything")) is None


@given(
    st.lists(st.tuples(st.sampled_from(["job", "pod", "drop job", "drop pod", "claim", "forget"]), st.integers(0, 3)))
)
def test_nothing_is_kept_of_what_has_gone(steps: list[tuple[str, int]]) -> None:
    """Whatever comes and goes in whatever order: in the end as little is remembered as there is."""
    belongings = Ownership(SIGNATURE)
    jobs = [own(launch(), str(i)) for i in range(4)]
    pods = [pod(f"pod {i}", str(i)) for i in range(4)]
    for step, i in [*steps, *(("drop job", i) for i in range(4)), *(("drop pod", i) for i in range(4)), ("forget", 0)]:
        tracked = belongings.tracked(ID)
        if step == "job":
            belongings.put_job(jobs[i])
        elif step == "pod":
            belongings.put_pod(pods[i])
        elif step == "drop job":
            belongings.drop_job(jobs[i])
        elif step == "drop pod":
            belongings.drop_pod(pods[i])
        elif step == "claim":
            belongings.claim(tracked, replace(made_of(jobs[i], launch()), attempt=i + 1))
        else:
            belongings.forget(tracked)
        for known in belongings.experiments.values():
            assert known.own is None or known.own.uid in known.uids
    assert (belongings.experiments, belongings._of, belongings._jobs, belongings._jobs_of) == ({}, {}, {}, {})
