"""How Kueue took the place of what was let in already, by the reason of the condition ``Evicted``.

https://kueue.sigs.k8s.io/docs/concepts/workload/#eviction
"""

from __future__ import annotations

from datetime import datetime

from submarine_jupyter_server.targets.kubernetes.state.views import Condition

from .quota import plain
from .trouble import Rank, Trouble, cut

# Until somebody changes it, it does not even wait.
_OUT = {
    "Deactivated": (Rank.NEVER, "Deactivated", "an administrator has taken it out of {queue}"),
    "LocalQueueStopped": (
        Rank.BLOCKED,
        "QueueStopped",
        "an administrator has stopped {queue}: it waits until that is over",
    ),
    "ClusterQueueStopped": (
        Rank.BLOCKED,
        "QueueStopped",
        "an administrator has stopped the ClusterQueue of {queue}: it waits until that is over",
    ),
}
# It waits again, and runs when its turn comes.
_AGAIN = {
    "Preempted": "it gave way{at} {to}",
    "PodsReadyTimeout": "it gave its place back{at}, because its replicas were not ready in time",
    "AdmissionCheck": "it lost its place{at} to a check of the cluster",
    "NodeFailures": "it lost its place{at}, because a node failed",
    "FlavorMigration": "it left its place{at} for better machines",
}
# By the reason of the condition ``Preempted``.
_TO = {
    "InClusterQueue": "to one of higher priority",
    "InCohortReclamation": "to those whose quota it had borrowed",
    "InCohortFairSharing": "to those who had less than their share",
    "InCohortReclaimWhileBorrowing": "to one of higher priority from another queue",
}


def why_out(evicted: Condition, name: str) -> Trouble | None:
    """Return why it does not wait any more; None if it does."""
    if evicted.reason not in _OUT:
        return None
    rank, word, how = _OUT[evicted.reason]
    _, due, why = evicted.message.partition(" due to ")
    if due and evicted.reason == "Deactivated":
        how = f"Kueue has taken it out of {{queue}}: {_literal(cut(plain(why)))}"
    return Trouble(rank, word, how.format(queue=f"the queue '{name}'"))


def how_taken(evicted: Condition, preempted: Condition | None, now_ms: int) -> str:
    """Return how it lost its place, and when, as the beginning of a sentence."""
    at = f" at {_clock(evicted.at_ms, now_ms)}" if evicted.at_ms else ""
    to = _TO.get(preempted.reason if preempted is not None else "", "to others")
    how = _AGAIN.get(evicted.reason, f"it lost its place{{at}} ({_literal(cut(evicted.reason, 60))})")
    return how.format(at=at, to=to)


def _clock(at_ms: int, now_ms: int) -> str:
    """Return a time as people of the server's zone say it: with the day, if that is another one."""
    at, now = (datetime.fromtimestamp(ms / 1000).astimezone() for ms in (at_ms, now_ms))
    return f"{at:%H:%M}" if at.date() == now.date() else f"{at:%H:%M on %Y-%m-%d}"


def _literal(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
