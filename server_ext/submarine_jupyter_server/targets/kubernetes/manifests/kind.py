"""What a kind of object is: all that the rest of this target has to know of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter_server.targets.kubernetes.raw_json import Json, part

from .draft import Draft


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of object an experiment can become.

    ``objects`` makes all its objects, of which the first owns the rest; ``problems`` returns what of a spec this kind
    cannot express; ``wanted`` yields role (lower case) and number of the replicas that the ``spec`` of an object asks
    for, of which the name says the role. ``succeeded`` is the type of the condition that says so. ``pod_label`` is the
    label by which those who make its pods know theirs.

    ``run_policy`` is the field of its spec that says when it ends and is suspended, None where the spec itself does.
    ``workers`` are the fields that hold the number of workers, ``fixed`` is why that cannot change while it runs, or
    None where it can. ``per_role``: each role is an object of its own, admitted by a queue and judged by itself.
    ``makes_jobs``: its controller makes Jobs, and these the pods. ``forgets_time``: its operator compares the time
    only when something about it changes.
    """

    name: str
    api_version: str
    kind: str
    plural: str
    frameworks: tuple[str, ...]
    objects: Callable[[Draft], list[Json]]
    problems: Callable[[ExperimentSpec], list[str]]
    wanted: Callable[[Json, str], Iterator[tuple[str, int]]]
    succeeded: str
    pod_label: str
    run_policy: str | None = None
    workers: tuple[tuple[str, ...], ...] = ()
    fixed: str | None = None
    per_role: bool = False
    makes_jobs: bool = False
    forgets_time: bool = False

    @property
    def built_in(self) -> bool:
        """Return whether Kubernetes itself has it, so that every cluster serves it."""
        return self.api_version == "batch/v1"

    def policy(self, spec: Json) -> Json:
        """Return the part of an object's spec that says when it ends."""
        return spec if self.run_policy is None else part(spec, self.run_policy)

    def with_policy(self, policy: Json) -> Json:
        """Return a spec that says only when an object ends."""
        return policy if self.run_policy is None else {self.run_policy: policy}
