"""What is kept of the cluster's objects: a few hundred bytes of each, made from raw JSON as it arrives.

A pod of 5 KB is 30 KB of Python objects; ten thousand of them would take 300 MB and stop the event loop for seconds.
Every projection takes whatever the API server sends, also half-filled objects, and raises ValueError for one that
cannot be read: the reflector quarantines it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of an object; ``at_ms`` is when it last changed."""

    type: str
    status: bool
    reason: str = ""
    message: str = ""
    at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class ContainerView:
    """The training container of a pod: ``state`` is waiting, running or terminated.

    ``reason`` and ``message`` belong to that state; ``last_*`` to the run before the present one.
    """

    name: str
    image: str
    state: str
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    signal: int | None = None
    started_ms: int | None = None
    finished_ms: int | None = None
    restarts: int = 0
    last_reason: str = ""
    last_message: str = ""
    last_exit_code: int | None = None
    memory_limit: str | None = None


@dataclass(frozen=True, slots=True)
class PodView:
    """One pod of an experiment. ``init`` is the first init container that is not done, if any.

    ``deleted_ms`` is when somebody asked for its end. ``tries`` is how many pods of this replica ended before it, as
    far as the cluster counts that. ``gone`` is never set by a projection, but by who keeps the last view of a pod that
    was removed. Of the conditions only those are kept that explain something: ``Ready`` where its node is lost.
    ``finalizers`` are those of other programs than Kubernetes.
    """

    name: str
    uid: str
    namespace: str
    experiment_id: str
    intent_uid: str
    attempt: int
    role: str
    index: int
    phase: str
    reason: str
    message: str
    node: str | None
    deleting: bool
    created_ms: int
    container: ContainerView
    init: ContainerView | None
    conditions: tuple[Condition, ...]
    requests: tuple[tuple[str, str], ...]
    deleted_ms: int | None = None
    finalizers: tuple[str, ...] = ()
    tries: int = 0
    gone: bool = False

    @property
    def replica(self) -> str:
        """Return the replica's name, ``worker-0``."""
        return f"{self.role}-{self.index}"


@dataclass(frozen=True, slots=True)
class JobView:
    """An experiment's own object, or a Job that belongs to it.

    ``record`` is true of the own object; then ``generation`` and ``attempt`` are those it was made for, ``notes``
    our annotations, from which the experiment can be written again. ``suspended`` is what the spec says, ``answered``
    that a controller has written a status. ``finalizers`` are those of other programs than Kubernetes.
    """

    kind: str
    name: str
    uid: str
    namespace: str
    experiment_id: str
    intent_uid: str
    attempt: int
    generation: int
    role: str
    record: bool
    deleting: bool
    suspended: bool
    created_ms: int
    started_ms: int | None
    finished_ms: int | None
    conditions: tuple[Condition, ...]
    queue: str | None = None
    notes: tuple[tuple[str, str], ...] = ()
    deadline_s: int | None = None
    answered: bool = False
    finalizers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EventView:
    """An event about one of our objects; ``count`` times, last at ``at_ms``."""

    name: str
    kind: str
    object_name: str
    object_uid: str
    type: str
    reason: str
    message: str
    count: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Place:
    """The place in a queue, the first being 1, of how many as far as that is known.

    ``in_cluster`` is the place among all that wait for the same quota, also in queues of other namespaces.
    """

    number: int
    count: int | None
    in_cluster: int


@dataclass(frozen=True, slots=True)
class WorkloadView:
    """What Kueue says of one of our objects, the owner."""

    name: str
    owner_uid: str
    queue: str
    conditions: tuple[Condition, ...]
