"""What a compute target is: the place that runs the replicas of an experiment.

The service decides *what* should be (a ``Launch``), a target makes it so and reports what it sees (an
``Observation``). Every order is idempotent and may be repeated after a crash; there are three outcomes: done, refused
(``TargetRefused``) and not known (``TargetUnavailable``), the last resolved by giving the same order again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from submarine_jupyter.models import ExperimentSpec, Status


@dataclass(frozen=True, slots=True)
class Launch:
    """Everything a target needs to make one attempt of an experiment real, secrets included.

    ``prepared`` is what the target has made ready for it (`ComputeTarget.check_change`). It is not stored: where it is
    lost, the target makes it again.
    """

    experiment_id: str
    uid: str
    owner: str
    name: str
    spec: ExperimentSpec
    attempt: int
    generation: int
    accepted_ms: int
    prepared: object = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ReplicaState:
    """How one replica is: ``name`` is ``worker-0``, ``status`` Waiting, Running, Succeeded, Failed or Stopped."""

    name: str
    role: str
    index: int
    status: str
    exit_code: int | None = None
    signal: str | None = None
    reason: str | None = None
    message: str | None = None
    node: str | None = None
    pid: int | None = None
    restarts: int = 0
    started_ms: int | None = None
    finished_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """What a target saw at ``at_ms`` (Unix time in milliseconds); it counts only for this uid and attempt.

    ``reason`` is one CamelCase word, ``message`` a sentence for a person; ``notes`` are facts worth reporting that
    do not change the status.
    """

    experiment_id: str
    uid: str
    attempt: int
    generation: int
    status: Status
    at_ms: int
    reason: str | None = None
    message: str | None = None
    replicas: tuple[ReplicaState, ...] = ()
    notes: tuple[str, ...] = ()
    created_ms: int | None = None
    running_ms: int | None = None
    finished_ms: int | None = None


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """One object that was made for an experiment, as the API of the target named it when it was made."""

    kind: str
    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Made:
    """What was made for an attempt of an experiment: what is found is its own by these objects and by nothing else.

    ``generation`` is the one whose change the target has confirmed last. ``objects`` begins with the experiment's own
    object, which owns the others.
    """

    experiment_id: str
    uid: str
    attempt: int
    generation: int
    objects: tuple[ObjectRef, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What the database has of an experiment: how it is to be, and whether it lives (neither ended nor deleted).

    ``stopping``: a stop is ordered, and reports its end. ``made`` is what was made for it, also if that is gone.
    """

    launch: Launch
    live: bool
    stopping: bool = False
    made: Made | None = None


@dataclass(frozen=True, slots=True)
class Absence:
    """Why something that was made is not there any more: one CamelCase word, and a sentence for a person."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Found:
    """One experiment that exists on a target, with all that is needed to write its lost database row again.

    ``launch`` and ``observation`` are None where its record cannot be read: then only its being there is known.
    ``deleted``: it is being removed. ``buried``: its deletion was ordered, which nothing undoes. ``authentic``: nobody
    else can have written its record, so that it counts more than a row that is behind it, and restores a lost one.
    ``whole``: the record has secret values and code too, so that a restored experiment goes on as if nothing had
    happened; without them it is observed, stopped and deleted, and nothing more is started for it. ``made`` is what a
    row that is written again keeps of it.
    """

    experiment_id: str
    launch: Launch | None
    deleted: bool
    observation: Observation | None
    buried: bool = False
    authentic: bool = False
    made: Made | None = None
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Inventory:
    """Everything of ours that exists, deleted or not, in ``namespaces``; in all there are where these are None.

    ``unknown`` are experiments that may exist, but could not be read: nothing follows from their absence in ``found``.
    """

    found: tuple[Found, ...]
    namespaces: frozenset[str] | None = None
    unknown: frozenset[str] = frozenset()


class Verdict(StrEnum):
    """Whether an experiment starts, with all its replicas, if nothing else changes."""

    NOW = "now"
    WAITS = "waits"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Ahead:
    """What waits before an experiment for the same: how many, and the ids of those that are known, in order."""

    count: int
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Forecast:
    """What comes of an experiment if nothing else changes; ``verdict`` is None where that is not known.

    ``why`` is one sentence for a person. ``ahead`` is None where nobody knows it. ``fits`` are resources of each
    replica (``cpu=1,memory=512M``) with which it would start now, None where none are known.
    """

    verdict: Verdict | None
    why: str
    ahead: Ahead | None = None
    fits: str | None = None


Sink = Callable[[Observation], Awaitable[None]]
Recall = Callable[[str], Awaitable[Known | None]]
"""Returns what the database has of an experiment, None where it has none of that id."""
Doubt = Callable[[], None]
"""Reports that rows and objects may differ: the target and the database are to be compared soon."""


class ComputeTarget(Protocol):
    """A place that runs experiments; in ``namespaces``, which are never none, the first where a spec names none."""

    name: str
    kind: str

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Return the namespaces that experiments may be in."""

    def check(self, spec: ExperimentSpec) -> None:
        """Refuse what this target can never run; does no I/O. Raises InvalidSpec."""

    def check_change(self, old: Launch, new: Launch) -> object:
        """Refuse a change of the same attempt that what runs cannot take; does no I/O. Raises Conflict.

        Returns what it has made ready to carry the change out, for ``new.prepared``; None if nothing.
        """

    async def render(self, launch: Launch) -> list[dict[str, object]]:
        """Return what would be made for this launch: Kubernetes objects, or the local plan.

        A target that can be asked whether it would take them is asked. Raises TargetRefused, TargetUnavailable.
        """

    async def forecast(self, launch: Launch, capacity: Mapping[str, Any] | None = None) -> Forecast:
        """Return whether a new experiment would start now, as far as this target can know. Raises TargetUnavailable.

        ``capacity`` is what the server that gives the orders reports, where that is another one.
        """

    def place(self, experiment_id: str) -> Forecast | None:
        """Return where an experiment waits for its turn; None where that is not known. Does no I/O."""

    async def start(self, sink: Sink, doubt: Doubt, made: Collection[Made] = (), recall: Recall | None = None) -> None:
        """Begin to observe, adopting all that runs already; each observation is given to ``sink``.

        ``made`` is what this target made for experiments that may still exist, as it said so (`ensure`); ``recall``
        asks the database about one of them. Returns soon even when the target cannot be reached; ``doubt`` is called
        once it can be inspected, and again after each outage: orders that were put off are given at once then.
        """

    async def ensure(self, launch: Launch) -> Made | None:
        """Make it so: create it, scale it, or replace an older attempt; return what was made, where that has names.

        Raises TargetRefused, TargetUnavailable.
        """

    async def stop(self, launch: Launch) -> None:
        """End the replicas and keep the record: the experiment ends as Failed, reason Stopped."""

    async def delete(self, experiment_id: str, uid: str) -> None:
        """End the replicas and mark them deleted, so that no rebuild brings them back; logs stay until purged."""

    async def purge(self, experiment_id: str, uid: str) -> None:
        """Remove every trace, logs included."""

    async def inventory(self, settled: Collection[str] = ()) -> Inventory:
        """Report what exists; experiments in ``settled`` need not be read again. Raises TargetUnavailable."""

    async def absence(self, experiment_id: str) -> Absence:
        """Return why an experiment is gone, which ``inventory`` did not find. Raises TargetUnavailable."""

    async def conclude(self, experiment_id: str, attempt: int) -> None:
        """Close the logs of an attempt that was called ended because it is gone: no line of it comes any more."""

    def attend(self, experiment_id: str) -> AbstractAsyncContextManager[None]:
        """Keep the archived logs of an experiment as new as possible while the context is open."""

    async def capacity(self) -> dict[str, object]:
        """Return what the target has and what is free, for people."""

    def health(self) -> dict[str, object] | None:
        """Return ``ok``, and whatever shows why; None where nothing is known yet. Does no I/O."""

    async def close(self) -> None:
        """Stop observing; what runs goes on."""
