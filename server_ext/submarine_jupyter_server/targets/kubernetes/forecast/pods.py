"""The pods that an experiment becomes, and what each asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter.spec.resources import quantity
from submarine_jupyter_server.targets.kubernetes.capacity.pod_requests import Amounts, is_gpu
from submarine_jupyter_server.targets.replicas import resources

_UNITS = {"Ti": 1024**4, "Gi": 1024**3, "Mi": 1024**2}


@dataclass(frozen=True, slots=True)
class PodSet:
    """``count`` pods of a role that ask for the same; ``limits`` are what each may use."""

    role: str
    count: int
    requests: Amounts
    limits: Amounts

    @property
    def text(self) -> str:
        """Return what one of them asks for, as people write it."""
        names = sorted(self.requests, key=lambda name: (name != "cpu", name != "memory"))
        return ",".join(f"{name}={written(name, self.requests[name])}" for name in names) or "nothing"

    @property
    def unknown(self) -> list[str]:
        """Return the resources of which is not counted how much of them is free."""
        return [name for name in self.requests if name not in ("cpu", "memory") and not is_gpu(name)]

    def with_amounts(self, amounts: Mapping[str, Decimal]) -> PodSet:
        """Return them with other amounts of what they ask for."""
        known = {name: amount for name, amount in amounts.items() if name in self.requests}
        limits = {name: amount for name, amount in known.items() if name in self.limits}
        return replace(self, requests=self.requests | known, limits=self.limits | limits)


def pod_sets(spec: ExperimentSpec, *, cpu_limit: bool) -> list[PodSet]:
    """Return the pods of an experiment, role by role."""
    found = []
    for role, task in spec.spec.items():
        asked = {name: quantity(text) for name, text in resources(task).items()}
        limits = {name: amount for name, amount in asked.items() if name != "cpu" or cpu_limit}
        found.append(PodSet(role, task.replicas, asked, limits))
    return found


def together(pods: Sequence[PodSet]) -> Amounts:
    """Return what all pods ask for together, and as ``pods`` how many they are."""
    found: Amounts = {"pods": Decimal(sum(each.count for each in pods))}
    for each in pods:
        for name, amount in each.requests.items():
            found[name] = found.get(name, Decimal(0)) + amount * each.count
    return found


def written(name: str, amount: Decimal) -> str:
    """Return an amount as people write it: ``500m``, ``2``, ``64Mi``."""
    if name in ("memory", "ephemeral-storage"):
        for suffix, size in _UNITS.items():
            if amount and amount % size == 0:
                return f"{amount // size:f}{suffix}"
        return f"{amount / 10**6:.0f}M" if amount >= 10**7 else f"{amount:.0f}"
    return f"{amount:.0f}" if amount == amount.to_integral_value() else f"{amount * 1000:.0f}m"
