"""When an experiment has succeeded or failed, given how its replicas are."""

from __future__ import annotations

from .plan import HELPER, LEADER, WORKER
from .replica import FAILED, SUCCEEDED, Replica


class Verdict:
    """How the experiment ended: Succeeded or Failed, one CamelCase word why, and a sentence."""

    def __init__(self, status: str, reason: str | None = None, message: str | None = None) -> None:
        self.status = status
        self.reason = reason
        self.message = message


def judge(replicas: list[Replica]) -> Verdict | None:
    """Return the verdict, or None while the experiment goes on.

    It succeeds with its leader, or, where there is none, with all workers; it fails with the first replica that failed,
    a helper included.
    """
    for duty in (LEADER, WORKER):
        counted = [replica for replica in replicas if replica.item.duty == duty]
        if counted:
            if all(replica.status == SUCCEEDED for replica in counted):
                return Verdict(SUCCEEDED)
            break
    failed = [replica for replica in replicas if replica.status == FAILED]
    if not failed:
        return None
    # A dead parameter server takes the workers along: who failed first is the one to name.
    first = min(failed, key=lambda replica: (replica.finished_ms or 0, replica.item.duty == HELPER))
    return Verdict(FAILED, first.reason, first.message)
