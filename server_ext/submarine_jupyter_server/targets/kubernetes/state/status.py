"""From the snapshot of one experiment to its status."""

from __future__ import annotations

from submarine_jupyter.models import Status
from submarine_jupyter.spec.vocabulary import LEADERS
from submarine_jupyter_server.targets.kubernetes.manifests import Kind
from submarine_jupyter_server.targets.protocol import Observation, ReplicaState

from .diagnosis import why
from .replica_status import replicas
from .snapshot import AttemptView, Snapshot
from .views import JobView, PodView

__all__ = ["Snapshot", "observe"]

# Who serves and who evaluates does not count.
_WORKING = (*(role.lower() for role in LEADERS), "worker")
_ORDINALS = ("second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_MOST_NOTES = 20


def observe(snapshot: Snapshot, *, kind: Kind, now_ms: int) -> Observation:
    """Return how an experiment is; ``kind`` is the kind of its own object. Never raises."""
    view = AttemptView(snapshot, now_ms)
    if view.own is not None and view.own.kind != kind.kind:
        view = AttemptView(Snapshot(snapshot.launch), now_ms)
    launch, own = snapshot.launch, view.own
    status = _status(view)
    diagnosis = why(view)
    states = replicas(view)
    finished = view.verdict.at_ms if view.verdict else None
    return Observation(
        experiment_id=launch.experiment_id,
        uid=launch.uid,
        attempt=launch.attempt,
        generation=launch.generation if snapshot.generation is None else snapshot.generation,
        status=status,
        at_ms=finished or now_ms,
        reason=diagnosis.reason if diagnosis else None,
        message=diagnosis.message if diagnosis else None,
        replicas=states,
        notes=_notes(states),
        created_ms=own.created_ms if own is not None and status != Status.ACCEPTED else None,
        running_ms=_running_ms(view, status),
        finished_ms=finished,
    )


def _status(view: AttemptView) -> Status:
    if view.verdict is not None:
        return view.verdict.status
    if view.own is None:
        return Status.ACCEPTED
    if _condition_ms(view.own) is not None or any(_started(pod) for pod in _working(view)):
        return Status.RUNNING
    # A status never goes back: what had its pods already and was suspended again is Created with a reason.
    return Status.ACCEPTED if view.own.suspended and not view.pods else Status.CREATED


def _running_ms(view: AttemptView, status: Status) -> int | None:
    if view.own is None or status in (Status.ACCEPTED, Status.CREATED):
        return None
    starts = [pod.container.started_ms for pod in _working(view) if pod.container.started_ms is not None]
    times = [_condition_ms(view.own), *([min(starts)] if starts else [])]
    known = [at for at in times if at is not None]
    if known:
        return min(known)
    return view.own.started_ms if status == Status.SUCCEEDED else None


def _condition_ms(own: JobView) -> int | None:
    """Return since when the operator says that it runs, or that it is starting it again."""
    for condition in own.conditions:
        # At the end it takes the first back and leaves its time; when it suspends, another time comes in.
        if condition.type in ("Running", "Restarting", "RestartingJobSet") and (condition.status or own.finished_ms):
            return condition.at_ms if condition.at_ms is not None else own.created_ms
    return None


def _working(view: AttemptView) -> list[PodView]:
    return [pod for pods in view.pods.values() for pod in pods if pod.role in _WORKING]


def _started(pod: PodView) -> bool:
    container = pod.container
    again = container.restarts > 0 and container.last_reason != "StartError"
    return container.state == "running" or container.started_ms is not None or again or pod.phase == "Succeeded"


def _notes(states: tuple[ReplicaState, ...]) -> tuple[str, ...]:
    notes = [
        f"the cluster starts {state.name} for the {_ORDINALS[state.restarts - 1]} time"
        for state in states
        if 0 < state.restarts <= len(_ORDINALS)
    ]
    return tuple(notes[:_MOST_NOTES])
