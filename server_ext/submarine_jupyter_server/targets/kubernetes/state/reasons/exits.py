"""How a replica ended that failed, in the words of the local target where both can fail so."""

from __future__ import annotations

import signal

from submarine_jupyter_server.targets.kubernetes.state.views import PodView

from . import container_start
from .trouble import Rank, Trouble, cut, last_lines

# https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions
_DISRUPTIONS = {
    "PreemptionByScheduler": ("Preempted", "lost {node} to work of higher priority"),
    "EvictionByEvictionAPI": ("Evicted", "was evicted from {node}, which is being drained (maintenance, autoscaler)"),
    "DeletionByTaintManager": ("NodeLost", "was removed from {node}, which does not answer or was closed"),
    "DeletionByPodGC": ("NodeLost", "was lost with {node}, which is gone"),
}
_SHUTDOWN = ("NodeShutdown", "Shutdown", "Terminated")


def failure(pod: PodView) -> Trouble | None:
    """Return how a pod failed; None if it did not."""
    container = pod.container
    disrupted = disruption(pod)
    if disrupted is not None and (pod.phase == "Failed" or pod.deleting or pod.gone):
        return disrupted
    if container.state == "terminated" and container.exit_code not in (0, None) and pod.phase != "Succeeded":
        return _exit(pod, container.reason, container.exit_code or 0, container.message)
    if pod.phase != "Failed":
        return None
    if pod.init is not None and pod.init.exit_code:
        how = f"its init container '{cut(pod.init.name, 80)}' failed with exit code {pod.init.exit_code}"
        return _failed(pod, "PreparationFailed", f"could not start: {how}", pod.init.message)
    why = f": {cut(pod.message)}" if pod.message else ""
    if pod.reason == "DeadlineExceeded":
        return _failed(pod, "DeadlineExceeded", "ran longer than it may")
    if pod.reason.startswith("OutOf") or pod.reason in ("UnexpectedAdmissionError", "NodeAffinity"):
        return _failed(pod, "RefusedByNode", f"was refused by {_node(pod)}{why or f': {pod.reason}'}")
    return _failed(pod, "ReplicaFailed", f"failed{f' ({cut(pod.reason, 60)})' if pod.reason else ''}{why}")


def last_failure(pod: PodView) -> Trouble | None:
    """Return how the container of a pod failed before it was started again; None if it did not."""
    code = pod.container.last_exit_code
    return _exit(pod, pod.container.last_reason, code, pod.container.last_message) if code else None


def disruption(pod: PodView) -> Trouble | None:
    """Return how the cluster ended a pod for reasons of its own; None if it did not."""
    node = _node(pod)
    if pod.reason == "Evicted":
        message = cut(pod.message).rstrip(". ")
        return _failed(pod, "Evicted", f"was evicted by {node}: {message or 'no reason is given'}")
    if pod.reason in _SHUTDOWN:
        return _failed(pod, "NodeShutdown", f"ended because {node} was shut down")
    if pod.reason == "NodeLost":
        return _failed(pod, "NodeLost", f"was lost with {node}")
    found = next((item for item in pod.conditions if item.type == "DisruptionTarget"), None)
    cause = "PreemptionByScheduler" if pod.reason == "Preempting" else found.reason if found else None
    if cause in _DISRUPTIONS:
        reason, how = _DISRUPTIONS[cause]
        return _failed(pod, reason, how.format(node=node))
    if found is None:
        return None
    return _failed(pod, "Evicted", f"was ended by the cluster on {node}: {cut(found.message) or cut(found.reason)}")


def signal_name(exit_code: int | None) -> str | None:
    """Return the name of the signal behind an exit code of 128 and more, as shells and runtimes have it."""
    try:
        return signal.Signals((exit_code or 0) - 128).name
    except ValueError:
        return None


def _exit(pod: PodView, reason: str, code: int, message: str) -> Trouble:
    if reason == "OOMKilled":
        limit = pod.container.memory_limit
        where = f"at its limit of {limit}" if limit else f"on {_node(pod)}"
        return _failed(pod, "OOMKilled", f"ran out of memory {where} (exit code {code})", message)
    if reason in container_start.REASONS:
        found = container_start.why_not_started(reason, message, pod.container.image)
        return Trouble(Rank.ENDED, found.reason, f"{pod.replica} cannot start: {found.sentence}")
    if reason == "ContainerStatusUnknown":
        return _failed(pod, "NodeLost", f"ended, and {_node(pod)} does not know how")
    # A program that exits with 128 + a signal's number itself cannot be told from one that the signal ended.
    name = signal_name(code)
    how = f"failed with exit code {code}{f' (as after {name})' if name else ''}"
    if name == "SIGKILL":
        how = f"failed with exit code {code} (as after {name}, by which a node also takes memory back)"
    lines = last_lines(message)
    return _failed(pod, "ReplicaFailed", how if lines else f"{how}; it wrote nothing", lines)


def _failed(pod: PodView, reason: str, how: str, lines: str = "") -> Trouble:
    return Trouble(Rank.ENDED, reason, f"{pod.replica} {how}", last_lines(lines) if lines else "")


def _node(pod: PodView) -> str:
    return f"its node {cut(pod.node, 80)}" if pod.node else "its node"
