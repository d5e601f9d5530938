"""What is known of one experiment, and what of it counts for its present attempt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from submarine_jupyter.models import Status
from submarine_jupyter_server.targets.kubernetes.manifests import OWN_KINDS
from submarine_jupyter_server.targets.kubernetes.manifests.kinds.role_jobs import deciding
from submarine_jupyter_server.targets.protocol import Launch
from submarine_jupyter_server.targets.replicas import Member, members

from .views import Condition, EventView, JobView, Place, PodView, WorkloadView

_DONE_MS = 5000
_ENDED_BY_SIGNAL = (137, 143)  # 128 + SIGKILL, 128 + SIGTERM


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything known of the present attempt of one experiment.

    ``own`` is its own object, ``generation`` the one whose change the cluster has taken last; ``jobs`` are other Jobs
    of it (of plain Jobs the other roles, of a JobSet its children); ``events`` those about any of its objects. ``pods``
    also holds the last view, marked ``gone``, of each pod that was removed since the attempt began: what it says of an
    end is said by nobody else any more. ``unread``: what waits in queues is not known yet.
    """

    launch: Launch
    own: JobView | None = None
    jobs: tuple[JobView, ...] = ()
    pods: tuple[PodView, ...] = ()
    events: tuple[EventView, ...] = ()
    workload: WorkloadView | None = None
    place: Place | None = None
    unread: bool = False
    generation: int | None = None


@dataclass(frozen=True, slots=True)
class AttemptVerdict:
    """How an attempt ended, and the condition of the object that said so."""

    status: Status
    at_ms: int | None
    job: JobView
    condition: Condition


class AttemptView:
    """What counts for the present attempt: by replica, by object, and how it ended if it has."""

    def __init__(self, snapshot: Snapshot, now_ms: int) -> None:
        self.launch = snapshot.launch
        self.spec = snapshot.launch.spec
        self.now_ms = now_ms
        self.members = members(self.spec)
        self.retries = (self.spec.runtime.retries if self.spec.runtime else None) or 0
        self.own = snapshot.own
        self.jobs = list(snapshot.jobs)
        self.generation = snapshot.generation
        self.pods: dict[str, list[PodView]] = {}
        for pod in sorted(snapshot.pods, key=_age, reverse=True):
            self.pods.setdefault(pod.replica, []).append(pod)
        self.events: dict[str, list[EventView]] = {}
        for event in sorted(snapshot.events, key=lambda event: event.at_ms, reverse=True):
            self.events.setdefault(event.object_uid, []).append(event)
        self.workload, self.place, self.unread = snapshot.workload, snapshot.place, snapshot.unread
        self.verdict = self._judge()

    @property
    def deciding(self) -> list[str]:
        """Return the roles, in lower case, that all must succeed."""
        return [role.lower() for role in deciding(self.spec)]

    def newest(self, member: Member) -> PodView | None:
        """Return the pod that a replica has now, or had last."""
        found = self.pods.get(member.name)
        return found[0] if found else None

    def misses(self, member: Member) -> bool:
        """Return whether a replica has no pod, and none that has ended."""
        pod = self.newest(member)
        return pod is None or (pod.gone and pod.phase not in ("Succeeded", "Failed"))

    def restarts(self, pod: PodView) -> int:
        """Return how often the replica of a pod was started again."""
        older = sum(not before.gave_way for before in self.pods.get(pod.replica, ())[1:])
        return max(pod.tries, older) + pod.container.restarts

    def made_by(self) -> Iterator[EventView]:
        """Yield the events about the objects that make pods, newest first for each."""
        for job in [*([self.own] if self.own else []), *self.jobs]:
            yield from self.events.get(job.uid, ())

    def _judge(self) -> AttemptVerdict | None:
        if self.own is None:
            return None
        kind = OWN_KINDS[self.own.kind]
        if not kind.per_role:
            found = _verdict(self.own, kind.succeeded, Status.SUCCEEDED)
            return found or _verdict(self.own, "Failed", Status.FAILED)
        done = {}
        for job in (self.own, *self.jobs):
            if verdict := _verdict(job, kind.succeeded, Status.SUCCEEDED):
                done[job.role] = verdict
        if all(role in done for role in self.deciding):
            return max((done[role] for role in self.deciding), key=lambda verdict: verdict.at_ms or 0)
        failed = [_verdict(job, "Failed", Status.FAILED) for job in (self.own, *self.jobs)]
        return min((item for item in failed if item), key=lambda verdict: verdict.at_ms or 0, default=None)


def latest(old: PodView | None, new: PodView) -> PodView:
    """Return the new view of a pod, with what only the old one may know: when its end was asked for, and what for.

    Once it has ended, the node deletes it for good, and Kubernetes forgets the first time.
    """
    if old is None or old.uid != new.uid or old.deleted_ms is None:
        return new
    first = min(old.deleted_ms, new.deleted_ms or old.deleted_ms)
    return replace(new, deleted_ms=first, gave_way=old.gave_way)


def ended_by_order(pod: PodView) -> bool:
    """Return whether a pod ended because somebody asked for it, not by itself before that.

    Kubernetes has whole seconds only. Within one and the same, who ended well has ended by himself.
    """
    container = pod.container
    ended = container.finished_ms if container.state == "terminated" else None
    if pod.deleted_ms is None:
        return pod.gone and ended is None and pod.phase not in ("Succeeded", "Failed")
    if ended is None:
        return pod.phase not in ("Succeeded", "Failed") or container.state != "terminated"
    if ended == pod.deleted_ms:
        return container.exit_code != 0
    # Its end may have been asked for while nobody looked: then the time is that at which the node was done with it.
    soon = pod.deleted_ms - ended <= _DONE_MS and container.exit_code in _ENDED_BY_SIGNAL
    return ended > pod.deleted_ms or (soon and container.reason == "Error")


def _verdict(job: JobView, type_: str, status: Status) -> AttemptVerdict | None:
    for condition in job.conditions:
        if condition.status and condition.type == type_:
            return AttemptVerdict(status, job.finished_ms or condition.at_ms, job, condition)
    return None


def _age(pod: PodView) -> tuple[int, int, bool]:
    # Times have whole seconds: of two pods of one, that is the newer one which is still there.
    return pod.tries, pod.created_ms, not pod.gone and not pod.deleting
