"""What is still there of an experiment that is being ended, and what its end waits for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from submarine_jupyter_server.targets.kubernetes.state.views import JobView, PodView

from .trouble import cut
from .waiting import lost_node

_MOST = 3


@dataclass(frozen=True, slots=True)
class Left:
    """The objects and pods of an experiment that the cluster has still, all of them to be removed."""

    jobs: tuple[JobView, ...]
    pods: tuple[PodView, ...]

    @property
    def is_only_held(self) -> bool:
        """Whether nothing runs any more, and all that is left waits for finalizers of other programs."""
        left: tuple[JobView | PodView, ...] = (*self.jobs, *self.pods)
        return bool(left) and not self._going() and all(view.deleting and view.finalizers for view in left)

    def being_ended(self) -> str:
        """Return what the end waits for."""
        if going := self._going():
            return _joined(f"its replicas are being ended: {_listed(going)}", _lost(going), self._held())
        if held := self._held():
            return f"its replicas have ended, and {held}"
        return "its replicas have ended, and its objects are being removed from the cluster"

    def stopped(self) -> str:
        """Return how it was stopped, with what was not gone when that was waited for no more."""
        if going := self._going():
            they, their = ("they", "their") if len(going) > 1 else ("it", "its")
            unsure = f"{their} end was never confirmed, and {they} may still run there"
            return _joined(f"it was stopped, but for {_listed(going)}: {unsure}", _lost(going), self._held())
        return _joined("it was stopped", self._held())

    def _going(self) -> list[PodView]:
        return sorted((pod for pod in self.pods if not _has_ended(pod)), key=lambda pod: pod.name)

    def _held(self) -> str | None:
        """Return which object waits for which finalizer."""
        held = [(f"the {job.kind} {job.name}", job.finalizers) for job in self.jobs if job.deleting and job.finalizers]
        held += [(f"the pod {pod.name}", pod.finalizers) for pod in self.pods if pod.deleting and pod.finalizers]
        if not held:
            return None
        what, finalizers = held[0]
        names = " and ".join(cut(name, 80) for name in finalizers[:_MOST])
        more = f" (and {len(held) - 1} more)" if len(held) > 1 else ""
        return f"{cut(what, 100)} waits for finalizer {names}, which another program has to remove{more}"


def _has_ended(pod: PodView) -> bool:
    return pod.phase in ("Succeeded", "Failed") or pod.container.state == "terminated"


def _lost(pods: Sequence[PodView]) -> str | None:
    return next((found for pod in pods if (found := lost_node(pod))), None)


def _listed(pods: Sequence[PodView]) -> str:
    names = [f"{pod.replica} on {cut(pod.node, 80)}" if pod.node else pod.replica for pod in pods[:_MOST]]
    more = f" and {len(pods) - _MOST} more" if len(pods) > _MOST else ""
    return f"{', '.join(names)}{more}"


def _joined(*parts: str | None) -> str:
    return "; ".join(part for part in parts if part)
