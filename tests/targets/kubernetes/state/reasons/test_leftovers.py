"""What a person reads while an experiment is being ended, and what it leaves behind."""

from __future__ import annotations

from dataclasses import replace

from submarine_jupyter_server.targets.kubernetes.state.reasons.leftovers import Left
from submarine_jupyter_server.targets.kubernetes.state.views import JobView, PodView
from tests.targets.kubernetes.recordings import Recording

STUCK = ("example.com/stuck",)
POD = "the pod experiment-1647574374688-0002-worker-0-"
LOST = "its node real-0 has not been ready since 2026-11-28 07:55 UTC"


def parts(name: str) -> tuple[JobView, PodView]:
    """Return the own object and a pod of a recording, both of them being deleted."""
    seen = Recording.load(name).snapshot()
    assert seen.own is not None
    return replace(seen.own, deleting=True), replace(seen.pods[0], deleting=True)


def test_what_runs_is_named_with_its_node() -> None:
    own, pod = parts("quota")
    more = [replace(pod, name=f"{pod.name}-{index}", index=index, node=None) for index in range(4)]
    assert Left((own,), (pod,)).being_ended() == f"its replicas are being ended: worker-0 on {pod.node}"
    assert Left((own,), tuple(more)).being_ended() == (
        "its replicas are being ended: worker-0, worker-1, worker-2 and 1 more"
    )
    assert Left((own,), (pod,)).stopped() == (
        f"it was stopped, but for worker-0 on {pod.node}: its end was never confirmed, and it may still run there"
    )
    assert "their end was never confirmed, and they may still run there" in Left((own,), tuple(more)).stopped()


def test_a_lost_node_is_named_before_and_after_the_end() -> None:
    own, pod = parts("lost")
    assert Left((own,), (pod,)).being_ended() == f"its replicas are being ended: worker-0 on real-0; {LOST}"
    assert Left((own,), (pod,)).stopped() == (
        "it was stopped, but for worker-0 on real-0: its end was never confirmed, and it may still run there; " + LOST
    )


def test_a_finalizer_is_named_once_nothing_runs() -> None:
    own, pod = parts("retries.jobs")
    running = replace(parts("quota")[1], finalizers=STUCK)
    held_own, held_pod = replace(own, finalizers=STUCK), replace(pod, finalizers=STUCK)
    waits = f"the Job {own.name} waits for finalizer example.com/stuck, which another program has to remove"
    for left, only in (
        (Left((held_own,), ()), True),
        (Left((held_own, own), ()), False),
        (Left((held_own,), (pod,)), False),
        (Left((held_own,), (replace(held_pod, deleting=False),)), False),
    ):
        assert left.being_ended() == f"its replicas have ended, and {waits}"
        assert left.stopped() == f"it was stopped; {waits}"
        assert left.is_only_held is only
    assert Left((), (held_pod,)).stopped().startswith(f"it was stopped; {POD}")
    assert Left((held_own,), (held_pod,)).stopped() == f"it was stopped; {waits} (and 1 more)"
    assert Left((held_own,), (held_pod,)).is_only_held
    assert not Left((held_own,), (running,)).is_only_held
    assert (
        Left((held_own,), (running,)).being_ended()
        == f"its replicas are being ended: worker-0 on {running.node}; {waits} (and 1 more)"
    )


def test_nothing_is_left() -> None:
    own, pod = parts("retries.jobs")
    assert Left((), ()).stopped() == Left((own,), (pod,)).stopped() == "it was stopped"
    assert not Left((), ()).is_only_held
    expected = "its replicas have ended, and its objects are being removed from the cluster"
    assert Left((own,), ()).being_ended() == expected
