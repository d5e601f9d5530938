"""Why nothing was made yet: suspended, waiting in a queue of Kueue, or nobody answers for this kind of object.

https://kueue.sigs.k8s.io/docs/concepts/workload/
"""

from __future__ import annotations

from collections.abc import Mapping

from submarine_jupyter_server.targets.kubernetes.state.snapshot import AttemptView
from submarine_jupyter_server.targets.kubernetes.state.views import Condition, JobView, WorkloadView

from . import eviction, quota
from .trouble import Rank, Trouble, cut

ANSWER_MS = 10_000


def why_held(view: AttemptView, own: JobView) -> Trouble | None:
    """Return why the own object does not make its pods, as far as that is its own or its queue's doing."""
    if own.suspended:
        return _suspended(view, own)
    if own.answered or own.conditions or view.pods or view.now_ms - own.created_ms < ANSWER_MS:
        return None
    if next(view.made_by(), None) is not None:
        return None
    if own.kind == "Job":
        return Trouble(
            Rank.BLOCKED, "NoController", "the cluster does not start it: the Job controller does not answer"
        )
    return Trouble(Rank.BLOCKED, "NoOperator", f"no operator for {own.kind} answers in this cluster")


def _suspended(view: AttemptView, own: JobView) -> Trouble:
    queue = own.queue or (view.spec.runtime.queue if view.spec.runtime else None)
    if not queue:
        return Trouble(Rank.BLOCKED, "Suspended", "somebody suspended it: nothing runs until it is resumed")
    name = cut(queue, 63)
    if view.workload is not None:
        return _queued(view, view.workload, name)
    if view.unread or view.now_ms - own.created_ms < ANSWER_MS:
        return Trouble(Rank.WAITS, "Queued", f"it waits in the queue '{name}'")
    nobody = f"Kueue does not manage {own.kind}s here (not installed, or not for this namespace)"
    if view.spec.runtime and (priority := view.spec.runtime.priority):  # Kueue says nothing of one that is not there
        nobody += f", or the cluster has no priority '{cut(priority, 63)}' (runtime.priority)"
    return Trouble(Rank.BLOCKED, "NoQueue", f"it waits in the queue '{name}', but {nobody}")


def _queued(view: AttemptView, workload: WorkloadView, name: str) -> Trouble:
    """Return the worst that the conditions of a Workload say: taken out, never, stopped, took its place, waits."""
    conditions = {item.type: item for item in workload.conditions}
    reserved = _not(conditions, "QuotaReserved")
    evicted = conditions.get("Evicted")
    evicted = evicted if evicted is not None and evicted.status else None  # once it is in again, that is the past
    requeued = conditions.get("Requeued")
    waits_again = requeued is not None and requeued.status
    if evicted is not None and not waits_again and (found := eviction.why_out(evicted, name)):
        return found
    if reserved is not None and (found := quota.why_not(reserved, name)):
        return found
    where = f"the queue '{name}'{_place(view)}"
    if evicted is not None:
        how = eviction.how_taken(evicted, conditions.get("Preempted"), view.now_ms)
        return Trouble(Rank.BLOCKED, "Queued", f"{how}, and waits in {where}")
    if reserved is not None:
        return Trouble(Rank.BLOCKED, "Queued", f"it waits in {where}{quota.what_is_missing(reserved)}")
    if checks := _not(conditions, "Admitted"):
        how = f"the queue '{name}' lets it in once the cluster has checked it{_said(checks)}"
        return Trouble(Rank.BLOCKED, "Queued", how)
    if "QuotaReserved" in conditions:
        return Trouble(Rank.WAITS, "Queued", f"the queue '{name}' has let it in, and it starts soon")
    return Trouble(Rank.WAITS, "Queued", f"it waits in {where}")


def _not(conditions: Mapping[str, Condition], kind: str) -> Condition | None:
    """Return a condition that is there and does not hold."""
    found = conditions.get(kind)
    return found if found is not None and not found.status else None


def _place(view: AttemptView) -> str:
    place = view.place
    if place is None:
        return ""
    among = f"place {place.number} of {place.count}" if place.count else f"place {place.number}"
    shared = place.in_cluster > place.number
    return f", {among} ({place.in_cluster} with the other queues that share its quota)" if shared else f", {among}"


def _said(condition: Condition) -> str:
    return f": {cut(quota.plain(condition.message))}" if condition.message else ""
