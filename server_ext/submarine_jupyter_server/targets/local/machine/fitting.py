"""Whether all replicas of an experiment fit into this machine, and what would."""

from __future__ import annotations

import math

from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter.resources import in_unit_of, quantity
from submarine_jupyter_server.targets.replicas import Member, listens, members, resources

from .port_leases import FIRST, LAST, RESERVED_FILES
from .scheduler import Amount

DEFAULT_CPU = "1"
FILES_PER_REPLICA = 4  # its pipe, its log, the times of its log, its port
_RAISE = "use fewer replicas, or raise the limit of open files (ulimit -n) before the server starts"


def amount(spec: ExperimentSpec, member: Member) -> Amount:
    """Return what one replica takes; without ``resources`` it counts as one core and no memory."""
    return _of_role(spec, member.role)


def too_much(spec: ExperimentSpec, capacity: Amount) -> list[str]:
    """Return the problem of an experiment that is larger than the machine, in the units it was written in."""
    count = sum(task.replicas for task in spec.spec.values())
    cpu = sum(_of_role(spec, role).cpu * task.replicas for role, task in spec.spec.items())
    memory = sum(_of_role(spec, role).memory * task.replicas for role, task in spec.spec.items())
    need, have, fits, settings = [], [], [], []
    if cpu > capacity.cpu:
        need.append(f"cpu={cpu / 1000:g}")
        have.append(f"cpu={capacity.cpu / 1000:g}")
        fits.append(f"cpu={capacity.cpu // count}m" if capacity.cpu >= count else "")
        settings.append("SubmarineExtension.local_cpus")
    if memory > capacity.memory:
        like = next(text for task in spec.spec.values() if (text := resources(task).get("memory")))
        need.append(f"memory={in_unit_of(like, memory)}")
        have.append(f"memory={in_unit_of(like, capacity.memory)}")
        fits.append(f"memory={capacity.memory // count // 10**6}M" if capacity.memory >= count * 10**6 else "")
        settings.append("SubmarineExtension.local_memory")
    if not need:
        return []
    advice = f"ask for less per replica ({','.join(fits)} each fits)" if all(fits) else "ask for fewer replicas"
    without = any("cpu" not in resources(task) for task in spec.spec.values()) and cpu > capacity.cpu
    counted = " (a replica without cpu counts as one core)" if without else ""
    problem = f"spec: all replicas together need {' and '.join(need)}{counted}, this machine has {' and '.join(have)}"
    return [f"{problem} for experiments; {advice} or raise {' and '.join(settings)}"]


def too_many(spec: ExperimentSpec, soft: int, hard: int) -> list[str]:
    """Return the problem of an experiment whose replicas need more descriptors than a process may have here.

    The server holds their ports until their supervisor does, within its ``soft`` limit; that one goes up to the
    ``hard`` limit.
    """
    everyone = members(spec)
    listening = sum(listens(spec, member) for member in everyone)
    most = min(soft - 2 * RESERVED_FILES, LAST - FIRST + 1)
    if listening > most:
        return [f"spec: {listening} replicas need a port, and this server has at most {most} to give; {_RAISE}"]
    most = (hard - RESERVED_FILES) // FILES_PER_REPLICA
    if len(everyone) > most:
        return [f"spec: {len(everyone)} replicas are more than the {most} that one supervisor has files for; {_RAISE}"]
    return []


def _of_role(spec: ExperimentSpec, role: str) -> Amount:
    asked = resources(spec.spec[role])
    cpu = quantity(asked.get("cpu", DEFAULT_CPU))
    return Amount(math.ceil(cpu * 1000), math.ceil(quantity(asked.get("memory", "0"))))
