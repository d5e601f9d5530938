"""Why nothing was made yet: suspended, waiting in a queue of Kueue, or nobody answers for this kind of object.

https://kueue.sigs.k8s.io/docs/concepts/workload/
"""

from __future__ import annotations

from submarine_jupyter_server.targets.kubernetes.seen import Look
from submarine_jupyter_server.targets.kubernetes.views import Condition, JobView

from .trouble import Rank, Trouble, cut

ANSWER_MS = 10_000


def why_held(look: Look, own: JobView) -> Trouble | None:
    """Return why the own object does not make its pods, as far as that is its own or its queue's doing."""
    if own.suspended:
        return _queued(look, own)
    if own.answered or own.conditions or look.pods or look.now_ms - own.created_ms < ANSWER_MS:
        return None
    if next(look.made_by(), None) is not None:
        return None
    if own.kind == "Job":
        return Trouble(
            Rank.BLOCKED, "NoController", "the cluster does not begin: its controller of Jobs does not answer"
        )
    return Trouble(Rank.BLOCKED, "NoOperator", f"no operator answers for {own.kind} in this cluster")


def _queued(look: Look, own: JobView) -> Trouble:
    queue = own.queue or (look.spec.runtime.queue if look.spec.runtime else None)
    if not queue:
        return Trouble(Rank.BLOCKED, "Suspended", "somebody suspended it: nothing runs until it is resumed")
    name = f"the queue '{cut(queue, 63)}'"
    if look.workload is None:
        if look.now_ms - own.created_ms < ANSWER_MS:
            return Trouble(Rank.WAITS, "Queued", f"it waits in {name}")
        why = f"it waits in {name}, and nobody keeps queues for {own.kind}s in this cluster (no Kueue)"
        return Trouble(Rank.BLOCKED, "NoQueue", why)
    conditions = {item.type: item for item in look.workload.conditions}
    reserved, admitted = conditions.get("QuotaReserved"), conditions.get("Admitted")
    if reserved is not None and reserved.reason == "Inadmissible" and _missing(reserved.message):
        return Trouble(Rank.NEVER, "NoQueue", f"{name} does not exist, or takes nothing: {cut(reserved.message)}")
    evicted = conditions.get("Evicted")
    if evicted is not None and evicted.status:
        return Trouble(Rank.BLOCKED, "Queued", f"it waits in {name} again, its place was taken: {_said(evicted)}")
    waits = reserved if reserved is None or not reserved.status else admitted
    return Trouble(
        Rank.BLOCKED, "Queued", f"it waits in {name}{f': {_said(waits)}' if waits and waits.message else ''}"
    )


def _missing(message: str) -> bool:
    return any(text in message for text in ("doesn't exist", "not found", "is inactive", "is stopped", "terminating"))


def _said(condition: Condition) -> str:
    return cut(condition.message) or cut(condition.reason)
