"""When a replica, and when an experiment, has succeeded or failed."""

from __future__ import annotations

from . import words
from .exchange.plan import HELPER, LEADER, WORKER, Plan
from .replica.life import FAILED, STOPPED, SUCCEEDED, Replica

MAX_PAUSE_S = 60


class AttemptOutcome:
    """How the experiment ended: Succeeded or Failed, one CamelCase word why, and a sentence."""

    def __init__(self, status: str, reason: str | None = None, message: str | None = None) -> None:
        self.status = status
        self.reason = reason
        self.message = message


def settle(replica: Replica, plan: Plan, *, retry: bool) -> None:
    """Give a replica whose process has just ended its result, or another try if there may be a ``retry``.

    What we did to it comes first: a program may answer SIGTERM with exit code 0, and has not succeeded by that.
    """
    if replica.out_of_memory:
        message = words.out_of_memory(replica.item.name, replica.memory_used, replica.item.memory)
        replica.settle(FAILED, "OOMKilled", message)
    elif replica.ending:
        replica.settle(STOPPED, replica.reason)
    elif replica.exit_code == 0:
        replica.settle(SUCCEEDED)
    elif retry and replica.restarts < plan.retries:
        seconds = min(2 ** min(replica.restarts, 10), MAX_PAUSE_S)
        tries = f"start {replica.restarts + 2} of {plan.retries + 1} in {seconds} s"
        replica.restart_in(seconds, f"{replica.how_it_ended()}\n{tries}")
    else:
        replica.settle(FAILED, "ReplicaFailed", replica.how_it_ended())


def judge(replicas: list[Replica]) -> AttemptOutcome | None:
    """Return the verdict, or None while the experiment goes on.

    It succeeds with its leader, or, where there is none, with all workers; it fails with the first replica that failed,
    a helper included.
    """
    for duty in (LEADER, WORKER):
        counted = [replica for replica in replicas if replica.item.duty == duty]
        if counted:
            if all(replica.status == SUCCEEDED for replica in counted):
                return AttemptOutcome(SUCCEEDED)
            break
    failed = [replica for replica in replicas if replica.status == FAILED]
    if not failed:
        return None
    # A dead parameter server takes the workers along: who failed first is the one to name.
    first = min(failed, key=lambda replica: (replica.finished_ms or 0, replica.item.duty == HELPER))
    return AttemptOutcome(FAILED, first.reason, first.message)


def interim(replicas: list[Replica]) -> tuple[str | None, str | None]:
    """Return reason and message of an experiment that goes on while none of its commands runs; helpers do not count."""
    replicas = [replica for replica in replicas if replica.item.duty != HELPER]
    if any(replica.alive for replica in replicas):
        return None, None
    for replica in replicas:
        if replica.behind:
            return "InBackground", replica.message
    paused = [replica for replica in replicas if replica.restarts and replica.restart_at is not None]
    if not paused:
        return None, None
    soonest = min(paused, key=lambda replica: replica.restart_at or 0.0)
    return soonest.reason, soonest.message
