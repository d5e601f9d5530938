"""What the server answers."""

from __future__ import annotations

from submarine_jupyter.spec.vocabulary import Status as Status  # part of the wire format

from .base import WireModel
from .experiment_spec import ExperimentSpec


class Experiment(WireModel):
    """An experiment as the server answers it; times like ``2022-03-14T16:03:10.000+08:00``, or null."""

    experiment_id: str
    uid: str
    status: Status
    accepted_time: str | None
    created_time: str | None
    running_time: str | None
    finished_time: str | None
    spec: ExperimentSpec


class PodLog(WireModel):
    """The log of one replica; ``pod_name`` is the experiment's id, the role and the index."""

    pod_name: str
    pod_log: list[str]


class ExperimentLog(WireModel):
    """The logs of one experiment: chief or master first, then ps, then workers."""

    experiment_id: str
    log_content: list[PodLog]
