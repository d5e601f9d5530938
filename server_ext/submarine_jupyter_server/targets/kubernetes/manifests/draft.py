"""What every part of a manifest is made from: one launch, the namespace it goes to, and the cluster's options."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from submarine_jupyter.models import ExperimentSpec, RuntimeSpec
from submarine_jupyter_server.masking.masks import conceal
from submarine_jupyter_server.targets.kubernetes.raw_json import Json
from submarine_jupyter_server.targets.protocol import Launch
from submarine_jupyter_server.targets.replicas import Address, members

from .signatures import mark


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """What the administrator decides for all experiments of a cluster.

    ``image`` runs what names no image itself. ``run_as_user`` is the uid of all replicas; None takes the image's own
    user, which must be a number other than 0; 0 lets images run as root, which the *restricted* Pod Security Standard
    forbids. ``cpu_limit`` False leaves cpu without a limit. ``ttl_after_finished`` (seconds) is when the cluster
    removes a finished experiment that does not say so itself; None is never. ``queue`` is the queue of Kueue for what
    names none. ``instance`` and ``target`` name the server and its target whose experiments these are, where several
    share a namespace. ``key`` signs what is made.
    """

    image: str | None = None
    image_pull_secrets: tuple[str, ...] = ()
    run_as_user: int | None = 1000
    cpu_limit: bool = True
    ttl_after_finished: int | None = 86_400
    queue: str | None = None
    instance: str | None = None
    target: str | None = None
    key: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Draft:
    """One launch on its way into objects; ``masked`` is its spec in wire form without secret values."""

    launch: Launch
    namespace: str
    options: ClusterOptions
    masked: Json

    @classmethod
    def of(cls, launch: Launch, namespace: str, options: ClusterOptions) -> Draft:
        """Return the draft of a launch."""
        masked = launch.spec.wire()
        conceal(masked)
        return cls(launch, namespace, options, masked)

    @property
    def id(self) -> str:
        """Return the experiment's id: the name of its object and the start of the names of its replicas."""
        return self.launch.experiment_id

    @cached_property
    def stem(self) -> str:
        """Return the start of the names of what belongs to an attempt: nobody can take them before it exists."""
        stem = f"{self.id}-{self.launch.uid[:8]}"
        return f"{stem}-{mark(self.options.key, self.launch)}" if self.options.key else stem

    @property
    def spec(self) -> ExperimentSpec:
        """Return the spec, secrets included."""
        return self.launch.spec

    @cached_property
    def runtime(self) -> RuntimeSpec:
        """Return ``runtime``, empty where the spec has none, in the administrator's queue where it names none."""
        own = self.launch.spec.runtime or RuntimeSpec()
        return own if own.queue or not self.options.queue else own.model_copy(update={"queue": self.options.queue})

    @property
    def ttl(self) -> int | None:
        """Return the seconds after its end when the cluster is to remove the experiment; None is never."""
        own = self.runtime.ttl_after_finished
        return self.options.ttl_after_finished if own is None else own


@dataclass(frozen=True, slots=True)
class Wiring:
    """How the replicas of one kind learn who they are and where the others are.

    ``index_label`` is the pod label that carries a replica's index, ``injected`` the variables an operator sets by
    itself, ``shared`` the ConfigMap that holds what depends on the number of replicas (None: it is in the template).
    """

    index_label: str
    address: Address
    injected: frozenset[str] = frozenset()
    shared: str | None = None


def roles(spec: ExperimentSpec) -> list[str]:
    """Return the roles of an experiment in the order of their ranks."""
    return list(dict.fromkeys(member.role for member in members(spec)))


def only_set(fields: Json) -> Json:
    """Return the fields that say something: neither null nor empty."""
    return {name: value for name, value in fields.items() if value is not None and value not in ({}, [])}
