"""All that is known of one experiment on the cluster, put together from the streams."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

from submarine_jupyter_server.targets.kubernetes.manifests import OWN_KINDS
from submarine_jupyter_server.targets.protocol import Launch, Made, ObjectRef, Observation

from .snapshot import Snapshot, ended_by_order, latest
from .views import EventView, JobView, Place, PodView, WorkloadView

_MOST_EVENTS = 50
_MOST_PAST = 2000


@dataclass(eq=False, slots=True)
class ExperimentState:
    """One experiment; ``kind`` is the name in ``KINDS`` of what it is made as, None until that is decided.

    ``made`` is what the cluster has made for us; ``own``, ``jobs`` and ``pods`` (by uid) are what is there of it, and
    nothing else. ``own`` may be missing for a moment, or because it is gone, or because somebody took its labels away.
    ``last`` is how it was when it went, ``watched`` that its stream told so, and no comparison after an outage.
    ``past`` are pods of the present attempt that are gone: how they ended is still true. ``ending`` says that we are
    removing its objects, so that their absence is no loss, ``ending_since`` (monotonic, s) that the cluster has taken
    the order to. ``known`` are the uids of all that makes pods for it, or did; ``read`` is a record, and whether it is
    signed. ``unread``: what waits in the queues of its namespace is not known yet. ``settled``: its row has ended.
    ``authentic``: it is known from a signed record only.
    """

    experiment_id: str
    launch: Launch | None = None
    kind: str | None = None
    made: Made | None = None
    own: JobView | None = None
    last: JobView | None = None
    watched: bool = False
    jobs: dict[str, JobView] = field(default_factory=dict)
    pods: dict[str, PodView] = field(default_factory=dict)
    past: dict[str, PodView] = field(default_factory=dict)
    events: dict[str, EventView] = field(default_factory=dict)
    workload: WorkloadView | None = None
    place: Place | None = None
    unread: bool = False
    reported: Observation | None = None
    ending: bool = False
    ending_since: float | None = None
    known: set[str] = field(default_factory=set)
    read: tuple[tuple[tuple[str, str], ...], bool] | None = None
    settled: bool = False
    authentic: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def ref(self) -> ObjectRef | None:
        """Return its own object as it was made, None before that."""
        return self.made.objects[0] if self.made is not None else None

    @property
    def view(self) -> JobView | None:
        """Return its own object as it is; as it was at last, if it had ended before it went."""
        ended = self.last is not None and self.last.finished_ms is not None
        return self.own or (self.last if ended else None)

    @property
    def uids(self) -> frozenset[str]:
        """Return the uids of what was made for it, its own object's among them."""
        return frozenset(ref.uid for ref in self.made.objects) if self.made is not None else frozenset()

    @property
    def attempt(self) -> int:
        """Return the attempt that is wanted, or found."""
        return self.launch.attempt if self.launch else self.made.attempt if self.made else 0

    @property
    def present(self) -> int:
        """Return the attempt of which something is on the cluster, or was at last; 0 if nothing was."""
        return self.made.attempt if self.made is not None else 0

    @property
    def unmade(self) -> bool:
        """Return whether nothing is known to be made for the attempt that is wanted: an answer may not have come."""
        return self.present < self.attempt

    @property
    def over(self) -> bool:
        """Return whether its end has been reported."""
        return self.reported is not None and self.reported.status.final and self.reported.attempt >= self.attempt

    @property
    def waits(self) -> bool:
        """Return whether replicas of it do not run that should."""
        if self.own is None or self.over or self.reported is None:
            return self.own is not None and not self.over
        return any(replica.status == "Waiting" for replica in self.reported.replicas)

    @property
    def empty(self) -> bool:
        """Return whether nothing of it is known on the cluster."""
        return self.own is None and not self.jobs and not self.pods

    @property
    def vanished(self) -> bool:
        """Return whether its own object is missing that should be there, and nobody has said yet that it is gone."""
        return self.own is None and self.made is not None and not (self.ending or self.over or self.settled)

    def stir(self) -> None:
        """Wake those who wait for a change."""
        self.changed.set()
        self.changed = asyncio.Event()

    def begin(self) -> None:
        """Forget how an earlier attempt was ended."""
        self.ending, self.ending_since, self.reported, self.settled = False, None, None, False

    def take(self, made: Made) -> None:
        """Record what was made."""
        if self.made is None or self.made.attempt != made.attempt:
            self.past.clear()
            self.last = None
        kind = OWN_KINDS.get(made.objects[0].kind)
        self.made, self.kind = made, kind.name if kind is not None else None
        if self.own is not None and self.own.uid != made.objects[0].uid:
            self.own = None  # that of a former attempt

    def let_go(self) -> None:
        """Forget what was made: it is gone."""
        self.made, self.kind = None, None
        self.past.clear()

    def put_job(self, job: JobView) -> None:
        """Take in the own object or another Job."""
        if (ref := self.ref) is not None and job.uid == ref.uid:
            self.own = job
        else:
            self.jobs[job.uid] = job

    def drop_job(self, job: JobView, *, watched: bool) -> None:
        """Take out the own object or another Job."""
        self.jobs.pop(job.uid, None)
        if self.own is not None and self.own.uid == job.uid:
            self.own, self.last, self.watched = None, self.own, watched

    def put_pod(self, pod: PodView) -> None:
        """Take in a pod."""
        self.past.pop(pod.uid, None)
        self.pods[pod.uid] = self._latest(self.pods.get(pod.uid), pod)

    def drop_pod(self, pod: PodView) -> None:
        """Remember how a pod was when it went."""
        known = self.pods.pop(pod.uid, None)
        if known is None or self.made is None:
            return
        self.past[pod.uid] = replace(self._latest(known, replace(pod, gone=True)), gone=True)
        if len(self.past) > _MOST_PAST:
            del self.past[next(iter(self.past))]

    def _latest(self, old: PodView | None, new: PodView) -> PodView:
        found = latest(old, new)
        if self.own is None or not self.own.suspended or not (found.deleting or found.gone):
            return found
        return replace(found, gave_way=ended_by_order(found))

    def put_event(self, event: EventView) -> None:
        """Take in an event; those about what is not known to be its own make room first, then the oldest."""
        self.events[event.name] = event
        while len(self.events) > _MOST_EVENTS:
            del self.events[
                min(self.events.values(), key=lambda found: (self._owns(found.object_uid), found.at_ms)).name
            ]

    def _owns(self, uid: str) -> bool:
        return uid in self.uids or uid in self.jobs or uid in self.pods or uid in self.past

    def snapshot(self) -> Snapshot | None:
        """Return what its status is made from, None while its spec is not known."""
        if self.launch is None:
            return None
        events = tuple(self.events.values())
        if self.made is None or self.made.attempt != self.launch.attempt:
            return Snapshot(self.launch, events=events)
        pods = (*self.past.values(), *self.pods.values())
        jobs = tuple(self.jobs.values())
        return Snapshot(
            self.launch, self.view, jobs, pods, events, self.workload, self.place, self.unread, self.made.generation
        )
