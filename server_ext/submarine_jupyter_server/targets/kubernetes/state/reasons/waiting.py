"""Why the pod of a replica does not run yet, or may not run any more."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from submarine_jupyter.spec.vocabulary import LEADERS
from submarine_jupyter_server.targets.kubernetes.state.snapshot import AttemptView
from submarine_jupyter_server.targets.kubernetes.state.views import Condition, ContainerView, EventView, PodView
from submarine_jupyter_server.targets.replicas import resources

from . import container_start, images, mounts
from .images import why_no_image
from .scheduling import why_no_node
from .trouble import Rank, Trouble, cut

_WAITS_FOR_MASTER = "init-pytorch"


def why_waiting(pod: PodView, view: AttemptView) -> Trouble | None:
    """Return why a pod that has not ended does not run, as far as is known; None if there is nothing to report."""
    if pod.gone or pod.deleting:
        return None
    if pod.container.state == "running":
        lost = lost_node(pod)
        return Trouble(Rank.BLOCKED, "NodeNotReady", f"{pod.replica} may still run: {lost}") if lost else None
    held = next((item for item in pod.conditions if item.type == "PodScheduled"), None)
    if held is not None and pod.node is None:
        return _unscheduled(pod, held, view)
    events = view.events.get(pod.uid, [])
    if pod.init is not None:
        return _initialising(pod, pod.init, events, view)
    return _stuck(pod.replica, pod.container, events) or _on_its_way(pod, events, view)


def lost_node(pod: PodView) -> str | None:
    """Return that the node of a pod does not report what becomes of it, and since when; None if it does."""
    taken_back = next((item for item in pod.conditions if item.type == "Ready"), None)
    if taken_back is None or pod.node is None:
        return None
    if taken_back.at_ms is None:
        return f"its node {cut(pod.node, 80)} is not ready"
    since = datetime.fromtimestamp(taken_back.at_ms / 1000, UTC)
    return f"its node {cut(pod.node, 80)} has not been ready since {since:%Y-%m-%d %H:%M} UTC"


def _unscheduled(pod: PodView, held: Condition, view: AttemptView) -> Trouble:
    if held.reason == "SchedulingGated":
        why = "is held back by another program of the cluster until that lets it go (a scheduling gate)"
        return Trouble(Rank.WAITS, "SchedulingGated", f"{pod.replica} {why}")
    events = view.events.get(pod.uid, [])
    said = held.message or next((event.message for event in events if event.reason == "FailedScheduling"), "")
    selector = view.spec.runtime.node_selector if view.spec.runtime else None
    own = next((task for role, task in view.spec.spec.items() if role.lower() == pod.role), None)
    # In the words of the person who asked: the cluster makes 1k of 1000.
    asked = dict(pod.requests) | (resources(own) if own else {})
    why = why_no_node(said, asked, selector)
    return Trouble(Rank.BLOCKED, "Unschedulable", f"{pod.replica} cannot be scheduled: {why}")


def _initialising(pod: PodView, init: ContainerView, events: list[EventView], view: AttemptView) -> Trouble | None:
    name = f"'{cut(init.name, 80)}'"
    if found := _stuck(f"{pod.replica} (its init container {name})", init, events):
        return found
    if init.restarts and init.last_exit_code:
        how = f"{pod.replica} cannot start: its init container {name} failed with exit code {init.last_exit_code}"
        return Trouble(Rank.BLOCKED, "PreparationFailed", how)
    if init.state != "running":
        return _on_its_way(pod, events, view)
    leader = next((member for member in view.members if member.role in LEADERS), None)
    if init.name == _WAITS_FOR_MASTER and leader is not None:
        return Trouble(Rank.WAITS, "WaitingForMaster", f"{pod.replica} waits for {leader.name}")
    return Trouble(Rank.WAITS, "Preparing", f"{pod.replica} waits for its init container {name}")


def _stuck(subject: str, container: ContainerView, events: list[EventView]) -> Trouble | None:
    """Return what the kubelet itself calls the reason of a container that waits."""
    reason, message = container.reason, container.message
    if container.state != "waiting":
        return None
    if reason in images.REASONS:
        if not images.has_cause(message):
            pulls = (event.message for event in events if event.message.startswith("Failed to pull image"))
            message = next(pulls, message)
        found = why_no_image(reason, container.image, message)
    elif reason in container_start.REASONS:
        found = container_start.why_not_started(reason, message, container.image)
    else:
        return None
    return replace(found, sentence=f"{subject} cannot start: {found.sentence}")


def _on_its_way(pod: PodView, events: list[EventView], view: AttemptView) -> Trouble | None:
    """Return what the newest event says of a pod that has its node."""
    for event in events:
        if event.reason in mounts.REASONS:
            found = mounts.why_not_mounted(event.message, view.spec)
            return replace(found, sentence=f"{pod.replica} cannot start: {found.sentence}")
        if event.reason == "FailedCreatePodSandBox":
            why = cut(event.message.rpartition(": ")[2], 140)
            sentence = f"{pod.replica} cannot start: its node cannot prepare it (network, sandbox): {why}"
            return Trouble(Rank.BLOCKED, "NodeTrouble", sentence)
        if event.reason == "Pulling":
            image = pod.container.image if pod.container.image in event.message else "an image"
            sentence = f"{pod.replica} waits for '{cut(image, 140)}', which its node is pulling"
            return Trouble(Rank.WAITS, "PullingImage", sentence)
        if event.reason in ("Pulled", "Created", "Started"):
            return None
    return None
