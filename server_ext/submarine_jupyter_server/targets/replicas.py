"""The replicas of an experiment, in the order of logs and of ranks: the same on every target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from submarine_jupyter.models import ExperimentSpec, TaskSpec
from submarine_jupyter.spec.resources import parse_resources
from submarine_jupyter.spec.vocabulary import ROLES


@dataclass(frozen=True, slots=True)
class Member:
    """One replica of an experiment; ``name`` is like ``worker-0``."""

    role: str
    index: int

    @property
    def name(self) -> str:
        """Return the replica's name; behind the experiment's id and a dash it is the pod's."""
        return f"{self.role.lower()}-{self.index}"


Address = Callable[[Member], tuple[str, int]]
"""Return host and port at which other replicas reach a member (one that ``listens``)."""


def resources(task: TaskSpec) -> dict[str, str]:
    """Return what one replica of a role asks for: resource name -> quantity."""
    return parse_resources(task.resources or "")


def members(spec: ExperimentSpec) -> list[Member]:
    """Return all replicas: chief or master, then ps, workers, evaluators, each by index."""
    return [Member(role, i) for role in ROLES if role in spec.spec for i in range(spec.spec[role].replicas)]


def listens(spec: ExperimentSpec, member: Member) -> bool:
    """Return whether a replica needs a port at which the others find it."""
    if spec.meta.framework == "TensorFlow":
        return _count(spec) > 1 and member.role != "Evaluator"
    return spec.meta.framework == "XGBoost" or member == _first(spec)


def _count(spec: ExperimentSpec) -> int:
    return sum(task.replicas for task in spec.spec.values())


def _first(spec: ExperimentSpec) -> Member:
    return Member(next(role for role in ROLES if role in spec.spec), 0)
