"""When the cluster removes an experiment that has ended: said only once its end is stored here.

Until then its object is all that knows how it ended, and a server may be away for longer than any time to live. All
kinds take the time on an object that has ended, and count it from the end: Jobs as
https://kubernetes.io/docs/concepts/workloads/controllers/ttlafterfinished/ says, JobSets and the operator's kinds by
what their webhooks leave open (JobSet 0.12, Training Operator 1.9).
"""

from __future__ import annotations

from submarine_jupyter_server.targets.protocol import Launch, ObjectRef

from .draft import ClusterOptions, Draft
from .registry import OWN_KINDS
from .scaling import Patch


def time_to_live(launch: Launch, ref: ObjectRef, options: ClusterOptions) -> Patch | None:
    """Return the patch of the own object of an experiment that has ended; None if it is to stay."""
    seconds = Draft.of(launch, ref.namespace, options).ttl
    if seconds is None:
        return None
    kind = OWN_KINDS[ref.kind]
    body = {"spec": kind.with_policy({"ttlSecondsAfterFinished": seconds})}
    return Patch(kind.api_version, kind.kind, ref.name, body)
