"""Why an experiment does not run, or failed: one sentence for the person who started it."""

from __future__ import annotations

from submarine_jupyter.models import Status
from submarine_jupyter_server.targets.replicas import Member

from .reasons.creation import why_not_made
from .reasons.exits import failure, last_failure
from .reasons.outside import changed_outside
from .reasons.queueing import why_held
from .reasons.trouble import Diagnosis, Rank, Trouble, cut, diagnosis_of
from .reasons.waiting import why_waiting
from .snapshot import AttemptVerdict, AttemptView, ended_by_order
from .views import PodView

__all__ = ["Diagnosis", "trouble_of", "why"]

_TOO_OFTEN = ("BackoffLimitExceeded", "MaxFailedIndexesExceeded", "FailedIndexes", "ReachedMaxRestarts", "FailedJobs")


def why(view: AttemptView) -> Diagnosis | None:
    """Return why it does not run, or failed; None when there is nothing to report."""
    if view.verdict is not None:
        return _why_failed(view, view.verdict) if view.verdict.status == Status.FAILED else None
    if view.own is None:
        return None
    if held := why_held(view, view.own):
        return diagnosis_of([held])
    found = [trouble for member in view.members if (trouble := trouble_of(member, view))]
    troubles = [*why_not_made(view).values(), *found]
    return diagnosis_of(troubles or [trouble for trouble in [changed_outside(view)] if trouble is not None])


def trouble_of(member: Member, view: AttemptView) -> Trouble | None:
    """Return the trouble of one replica while the experiment goes on: how it failed, or why it does not run."""
    pod = view.newest(member)
    if pod is None or pod.gave_way:
        return None
    ended = failure(pod)
    if ended is None and pod.container.state != "running":
        ended = last_failure(pod)
    if ended is None:
        return why_waiting(pod, view)
    if not may_start_again(pod, view):
        return ended
    restarts = view.restarts(pod)
    again = restarts if pod.container.state == "waiting" else restarts + 1
    start = f"start {again + 1}" + (f" of {view.retries + 1}" if again <= view.retries else "")
    how = f"{cut(ended.sentence, 220)}; {start} comes soon"
    return Trouble(Rank.ENDED, "CrashLoop" if again > 1 else "Restarting", how, ended.lines)


def may_start_again(pod: PodView, view: AttemptView) -> bool:
    """Return whether the cluster may start the replica of a pod that failed once more."""
    if view.verdict is not None:
        return False
    # An operator's restarts are counted for all replicas together, and it fails one later.
    return view.restarts(pod) < view.retries or (pod.container.state == "waiting" and pod.container.restarts > 0)


def _why_failed(view: AttemptView, verdict: AttemptVerdict) -> Diagnosis | None:
    if _is_too_late(view, verdict):
        limit = view.spec.runtime.max_run_time if view.spec.runtime else None
        return Diagnosis(
            "DeadlineExceeded", f"it ran longer than {f'runtime.maxRunTime={limit} s' if limit else 'it may'}"
        )
    failed = []
    for pods in view.pods.values():
        for pod in pods:
            ended = failure(pod) if not ended_by_order(pod) else None
            if ended := ended or last_failure(pod) or _disruption(pod):
                failed.append((pod, ended))
                break
    if failed:
        # A dead parameter server takes the workers along: who failed first is the one to name.
        failed.sort(key=lambda pair: (_ended_ms(pair[0]), pair[0].role not in view.deciding))
        return diagnosis_of([_with_starts(ended, view.restarts(pod)) for pod, ended in failed])
    removed = [pods[0] for pods in view.pods.values() if pods[0].deleted_ms is not None or pods[0].gone]
    if removed and not view.retries and verdict.condition.reason in ("BackoffLimitExceeded", "FailedJobs"):
        first = min(removed, key=lambda pod: pod.deleted_ms or 0)
        return Diagnosis("ReplicaRemoved", f"{first.replica} was removed while it ran, by somebody or by the cluster")
    text = verdict.condition.message
    if "backoff limit" in text or verdict.condition.reason in _TOO_OFTEN:
        often = f"more often than runtime.retries={view.retries} allows" if view.retries else "in one of its replicas"
        return Diagnosis("BackoffLimitExceeded", f"it failed {often}; the cluster did not keep how")
    return Diagnosis(_word(verdict.condition.reason), cut(text, 280) or "the cluster does not say why it failed")


def _is_too_late(view: AttemptView, verdict: AttemptVerdict) -> bool:
    words = [verdict.condition.reason, *(item.reason for job in view.jobs for item in job.conditions if item.status)]
    # Of the Jobs of a JobSet only the events may be known.
    words += [event.reason for events in view.events.values() for event in events if event.kind in ("Job", "JobSet")]
    return "DeadlineExceeded" in words or "active longer than specified deadline" in verdict.condition.message


def _disruption(pod: PodView) -> Trouble | None:
    """Return how the cluster ended a pod that was deleted for reasons of the cluster."""
    found = failure(pod)
    return found if found is not None and any(item.type == "DisruptionTarget" for item in pod.conditions) else None


def _with_starts(ended: Trouble, restarts: int) -> Trouble:
    if not restarts:
        return ended
    return Trouble(
        ended.rank, ended.reason, f"{cut(ended.sentence, 220)}; it was started {restarts + 1} times", ended.lines
    )


def _ended_ms(pod: PodView) -> int:
    return pod.container.finished_ms or pod.deleted_ms or pod.created_ms


def _word(reason: str) -> str:
    return reason if reason.isascii() and reason.isalnum() and len(reason) <= 60 else "Failed"
