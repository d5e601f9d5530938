"""What is kept of the cluster's objects: a few hundred bytes of each, made from raw JSON as it arrives.

A pod of 5 KB is 30 KB of Python objects; ten thousand of them would take 300 MB and stop the event loop for seconds.
Every projection takes whatever the API server sends, also half-filled objects, and raises ValueError for one that
cannot be read: the reflector quarantines it.
"""

from __future__ import annotations

from dataclasses import dataclass

from submarine_jupyter_server.targets.protocol import ObjectRef


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
    """One pod. ``init`` is the first init container that is not done, if any.

    ``experiment_id``, ``role`` and ``index`` are what its name says, empty and -1 where it is no name of ours;
    ``owner_uid`` is the object that controls it, and says whose it is. ``deleted_ms`` is when somebody asked for its
    end. ``tries`` is how many pods of this replica ended before it, as far as the cluster counts that. Of the
    conditions only those are kept that explain something: ``Ready`` where its node is lost. ``finalizers`` are those of
    other programs than Kubernetes. ``gone`` (it was removed) and ``gave_way`` (while its experiment was suspended) are
    set by who keeps its last view, not by a projection.
    """

    name: str
    uid: str
    namespace: str
    experiment_id: str
    owner_uid: str
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
    tries: int = 0
    gone: bool = False
    finalizers: tuple[str, ...] = ()
    gave_way: bool = False

    @property
    def replica(self) -> str:
        """Return the replica's name, ``worker-0``."""
        return f"{self.role}-{self.index}"


@dataclass(frozen=True, slots=True)
class JobView:
    """An object that makes pods: the own one of an experiment, or a Job that belongs to it.

    ``experiment_id`` and ``role`` are what its name says; ``owner_uid`` is the object it belongs to, ``controlled``
    that this one made it. ``suspended`` is what the spec says, ``answered`` that a controller has written a status,
    ``replicas`` how many of each role (lower case) are wanted, ``expires`` that it has a time to live. ``notes`` are
    our annotations as they are now: anybody may have written them. ``finalizers`` are those of other programs.
    """

    kind: str
    name: str
    uid: str
    namespace: str
    experiment_id: str
    owner_uid: str
    role: str
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
    controlled: bool = False
    replicas: tuple[tuple[str, int], ...] = ()
    expires: bool = False
    finalizers: tuple[str, ...] = ()

    @property
    def ref(self) -> ObjectRef:
        """Return which object it is."""
        return ObjectRef(self.kind, self.namespace, self.name, self.uid)


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
