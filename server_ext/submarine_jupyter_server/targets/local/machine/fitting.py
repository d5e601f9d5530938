"""Whether all replicas of an experiment fit into this machine, and what would."""

from __future__ import annotations

import math

from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter.spec.resources import in_unit_of, quantity
from submarine_jupyter_server.targets.replicas import Member, listens, members, resources

from .port_leases import FIRST, LAST, RESERVED_FILES
from .scheduler import Amount

DEFAULT_CPU = "1"
LEAST_CPU, LEAST_MEGABYTES = 100, 64  # it is no advice to run with less
FILES_PER_REPLICA = 4  # its pipe, its log, the times of its log, its port
_RAISE = "use fewer replicas, or raise the limit of open files (ulimit -n) before the server starts"


def amount(spec: ExperimentSpec, member: Member) -> Amount:
    """Return what one replica takes; without ``resources`` it counts as one core and no memory."""
    return _of_role(spec, member.role)


def whole(spec: ExperimentSpec) -> Amount:
    """Return what all replicas take together."""
    each = ((_of_role(spec, role), task.replicas) for role, task in spec.spec.items())
    return sum((Amount(one.cpu * count, one.memory * count) for one, count in each), Amount())


def smaller(spec: ExperimentSpec, room: Amount) -> str | None:
    """Return resources of each replica, like ``cpu=1``, with which all fit into ``room``.

    None where that is too little to run anything.
    """
    count, asked, found = sum(task.replicas for task in spec.spec.values()), whole(spec), []
    if asked.cpu > room.cpu:
        cpu = room.cpu // count
        found.append(("cpu", f"{cpu}m" if cpu % 1000 else f"{cpu // 1000}", cpu >= LEAST_CPU))
    if asked.memory > room.memory:
        megabytes = room.memory // count // 10**6
        found.append(("memory", f"{megabytes}M", megabytes >= LEAST_MEGABYTES))
    if not found or not all(enough for *_, enough in found):
        return None
    return ",".join(f"{name}={amount}" for name, amount, _ in found)


def too_much(spec: ExperimentSpec, capacity: Amount) -> list[str]:
    """Return the problem of an experiment that is larger than the machine, in the units it was written in."""
    count, asked = sum(task.replicas for task in spec.spec.values()), whole(spec)
    cpu, memory = asked.cpu, asked.memory
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
