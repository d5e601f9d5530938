"""All that is known of one experiment on the cluster, put together from the streams."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

from submarine_jupyter_server.targets.base import Launch, Observation

from .manifests import KINDS, launch_of
from .manifests.metadata import EXPERIMENT_LABEL
from .seen import Seen, latest
from .views import EventView, JobView, PodView, WorkloadView

_BY_KIND = {kind.kind: name for name, kind in KINDS.items()}
_MOST_EVENTS = 50
_MOST_NUMBER = 2**53
_MOST_PAST = 2000


@dataclass(eq=False, slots=True)
class Tracked:
    """One experiment; ``kind`` is the name in ``KINDS`` of what it is made as, None until that is decided.

    ``lost`` is the own object that is gone, ``twins`` are more objects of its name with its record, of other kinds.
    ``past`` are pods of the present attempt that are gone: how they ended is still true. ``ending`` says that we are
    removing its objects, so that their absence is no loss, ``ending_since`` (monotonic, s) that the cluster has taken
    the order to; ``complete`` is the attempt all of whose objects exist.
    """

    experiment_id: str
    launch: Launch | None = None
    kind: str | None = None
    own: JobView | None = None
    lost: JobView | None = None
    jobs: dict[str, JobView] = field(default_factory=dict)
    pods: dict[str, PodView] = field(default_factory=dict)
    past: dict[str, PodView] = field(default_factory=dict)
    events: dict[str, EventView] = field(default_factory=dict)
    twins: dict[str, JobView] = field(default_factory=dict)
    workload: WorkloadView | None = None
    told: Observation | None = None
    ending: bool = False
    ending_since: float | None = None
    complete: int = 0
    read: tuple[tuple[tuple[str, str], ...], Launch | None] | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def attempt(self) -> int:
        """Return the attempt that is wanted, or found."""
        return self.launch.attempt if self.launch else self.own.attempt if self.own else 0

    @property
    def present(self) -> int:
        """Return the newest attempt of which something is on the cluster, or was at last; 0 if nothing was."""
        there = [self.own or self.lost, *self.twins.values(), *self.jobs.values(), *self.pods.values()]
        return max((view.attempt for view in there if view is not None), default=0)

    @property
    def over(self) -> bool:
        """Tell whether its end has been told."""
        return self.told is not None and self.told.status.final and self.told.attempt >= self.attempt

    @property
    def waits(self) -> bool:
        """Tell whether replicas of it do not run that should."""
        if self.own is None or self.over or self.told is None:
            return self.own is not None and not self.over
        return any(replica.status == "Waiting" for replica in self.told.replicas)

    @property
    def empty(self) -> bool:
        """Tell whether nothing of it is on the cluster."""
        return self.own is None and not self.twins and not self.jobs and not self.pods

    @property
    def vanished(self) -> bool:
        """Tell whether its own object is missing that should be there, and nobody has said yet that it is gone."""
        return self.own is None and self.lost is not None and not self.ending and not self.over

    def stir(self) -> None:
        """Wake those who wait for a change."""
        self.changed.set()
        self.changed = asyncio.Event()

    def begin(self) -> None:
        """Forget how an earlier attempt was ended."""
        self.ending, self.ending_since, self.told = False, None, None

    def put_job(self, job: JobView) -> None:
        """Take in the own object or another Job."""
        if not job.record:
            self.jobs[job.name] = job
            return
        own = self.own
        if own is not None and own.uid != job.uid:
            older, job = sorted((job, own), key=lambda one: (one.attempt, one.generation, one is own))
            if older.name == job.name and older.intent_uid == job.intent_uid:
                self.twins[older.uid] = older
        if own is not None and job.attempt > own.attempt:
            self.past.clear()
        self.twins.pop(job.uid, None)
        self.own, self.kind = job, _BY_KIND[job.kind]

    def drop_job(self, job: JobView) -> None:
        """Take out the own object, which is lost then, or another Job."""
        self.twins.pop(job.uid, None)
        if not job.record:
            self.jobs.pop(job.name, None)
        elif self.own is not None and self.own.uid == job.uid:
            self.own, self.lost = None, job
            for twin in list(self.twins.values()):
                self.put_job(twin)

    def put_pod(self, pod: PodView) -> None:
        """Take in a pod."""
        self.pods[pod.name] = latest(self.pods.get(pod.name), pod)

    def drop_pod(self, pod: PodView) -> None:
        """Remember how a pod was when it went."""
        known = self.pods.pop(pod.name, None)
        if known is None or pod.attempt != self.attempt:
            return
        self.past[pod.uid] = replace(latest(known, pod), gone=True)
        if len(self.past) > _MOST_PAST:
            del self.past[next(iter(self.past))]

    def put_event(self, event: EventView) -> None:
        """Take in an event; the oldest make room."""
        self.events[event.name] = event
        while len(self.events) > _MOST_EVENTS:
            del self.events[min(self.events.values(), key=lambda found: found.at_ms).name]

    def seen(self) -> Seen | None:
        """Return what its status is made from, None while its spec is not known."""
        launch = self.launch or self.recorded()
        if launch is None:
            return None
        pods = (*self.past.values(), *self.pods.values())
        return Seen(launch, self.own, tuple(self.jobs.values()), pods, tuple(self.events.values()), self.workload)

    def recorded(self) -> Launch | None:
        """Return the launch recorded on its own object; None, once and for all, if that cannot be read."""
        own = self.own or self.lost
        if own is None or not own.notes:
            return None
        if self.read is None or self.read[0] is not own.notes:
            self.read = own.notes, _read(self.experiment_id, own)
        return self.read[1]


def _read(experiment_id: str, own: JobView) -> Launch | None:
    record = {"annotations": dict(own.notes), "labels": {EXPERIMENT_LABEL: experiment_id}}
    try:
        launch = launch_of({"metadata": record})
    except (ValueError, RecursionError):
        return None
    numbers = (launch.attempt, launch.generation, launch.accepted_ms)
    return launch if all(0 <= number < _MOST_NUMBER for number in numbers) else None
