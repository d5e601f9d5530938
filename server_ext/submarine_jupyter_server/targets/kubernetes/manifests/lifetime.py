"""When the cluster removes an experiment that has ended: said only once its end is stored here.

Until then its object is all that knows how it ended, and a server may be away for longer than any time to live. All
kinds take the time on an object that has ended, and count it from the end: Jobs as
https://kubernetes.io/docs/concepts/workloads/controllers/ttlafterfinished/ says, JobSets and the operator's kinds by
what their webhooks leave open (JobSet 0.12, Training Operator 1.9).
"""

from __future__ import annotations

from submarine_jupyter_server.targets.base import Launch

from .draft import ClusterOptions, Draft, Json
from .kinds import KINDS
from .kubeflow import API_VERSION
from .record import own_name
from .scaling import Patch


def time_to_live(launch: Launch, *, kind: str, options: ClusterOptions) -> Patch | None:
    """Return the patch of the own object of an experiment that has ended; None if it is to stay."""
    made, seconds = KINDS[kind], Draft.of(launch, "", options).ttl
    if seconds is None:
        return None
    lifetime: Json = {"ttlSecondsAfterFinished": seconds}
    body = {"spec": {"runPolicy": lifetime} if made.api_version == API_VERSION else lifetime}
    return Patch(made.api_version, made.kind, own_name(made.kind, launch.spec, launch.experiment_id), body)
