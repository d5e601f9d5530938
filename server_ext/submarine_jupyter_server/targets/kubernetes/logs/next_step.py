"""What is to be read next of a replica, from what is known of its pods and of its log. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum

from submarine_jupyter_server.targets.kubernetes.state.views import PodView

from .sources import LogSource, Sources


class Way(Enum):
    """How a run is read: to its end because it has ended, its predecessor's way, as it goes, or not any more."""

    ENDED = "ended"
    PREVIOUS = "previous"
    RUNNING = "running"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Step:
    """Read ``source`` of ``pod``; ``skipped`` runs before it cannot be read any more."""

    source: LogSource
    pod: PodView
    way: Way
    skipped: bool = False


def has_run(pod: PodView) -> bool:
    """Return whether a container of the pod has been started yet."""
    container = pod.container
    return container.state != "waiting" or container.restarts > 0 or ended_before(pod)


def ended_before(pod: PodView) -> bool:
    """Return whether the status knows of a run before the present state."""
    return pod.container.last_exit_code is not None or pod.container.last_reason != ""


def next_step(pods: Sequence[PodView], gone: Collection[str], known: Sources) -> Step | None:
    """Return what to do next for the pods of a replica, None while there is nothing to read.

    ``gone`` are the uids of the pods that were deleted.
    """
    current = known.current.source if known.current else None
    ordered = sorted((pod for pod in pods if has_run(pod)), key=lambda pod: (pod.created_ms, pod.uid))
    begun = {region.source.uid for region in known.regions}
    for pod in ordered:
        is_current = current is not None and pod.uid == current.uid
        if not is_current and pod.uid in begun:
            continue  # a newer pod of the replica has been begun: the order of the log is fixed
        first = 0
        if is_current and current is not None:
            first = current.restart + (current in known.done)
        step = _of_pod(pod, first, gone=pod.uid in gone)
        if step is not None:
            return step
    return None


def _of_pod(pod: PodView, first: int, *, gone: bool) -> Step | None:
    latest = pod.container.restarts
    if first > latest:
        return None
    if gone:
        return _step(pod, latest, Way.LOST, first)
    if first < latest:
        return _step(pod, latest - 1, Way.PREVIOUS, first)
    if pod.container.state == "running":
        return _step(pod, latest, Way.RUNNING, first)
    if pod.container.state == "terminated":
        return _step(pod, latest, Way.ENDED, first)
    # It waits to be started again: what ended last is the latest run.
    return _step(pod, latest, Way.PREVIOUS, first) if ended_before(pod) else None


def _step(pod: PodView, run: int, way: Way, first: int) -> Step:
    return Step(LogSource(pod.uid, pod.name, run), pod, way, skipped=first < run)
