"""Where the replicas of one experiment find each other on this machine: at loopback addresses and leased ports."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Address

from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter_server.targets.local.rundir.files import Json
from submarine_jupyter_server.targets.replicas import Member, listens

HOST = "127.0.0.1"
Lease = Callable[[int], list[int]]


class Network:
    """The addresses of the replicas that are there already (``items`` of a plan) and of the ``new`` ones."""

    def __init__(self, spec: ExperimentSpec, items: Mapping[str, Json], new: Sequence[Member], lease: Lease) -> None:
        known = [item["ports"] for item in items.values() if item["ports"]]
        self._own = {item["name"]: item["ports"][0] for item in items.values() if item["ports"]}
        need = [member.name for member in new if listens(spec, member)]
        shared = shares_a_port(spec)
        common = next((ports[1] for ports in known if len(ports) > 1), 0)
        leased = lease(len(need) + (shared and not common))
        self._own.update(zip(need, leased, strict=False))
        self._common = (common or leased[-1]) if shared else 0
        count = spec.spec["Worker"].replicas if shared else 0
        self.workers = ([loopback(index) for index in range(count)], self._common) if shared else None
        self.hosts = dict.fromkeys(["localhost", HOST, "::1", *(self.workers[0] if self.workers else ())])

    def address(self, member: Member) -> tuple[str, int]:
        """Return host and port of a replica."""
        return HOST, self._own.get(member.name, 0)

    def ports_of(self, member: Member) -> list[int]:
        """Return the ports a replica has: its own first, then the one that it shares."""
        if member.name not in self._own:
            return []
        return [self._own[member.name], *([self._common] if self._common and member.role == "Worker" else [])]


def shares_a_port(spec: ExperimentSpec) -> bool:
    """Return whether several replicas listen on one port, each at an address of its own.

    XGBoost's workers are told one ``WORKER_PORT`` for all. On Linux all of 127.0.0.0/8 is this machine.
    """
    worker = spec.spec.get("Worker")
    several = worker is not None and worker.replicas > 1
    return spec.meta.framework == "XGBoost" and several and sys.platform == "linux"


def loopback(index: int) -> str:
    """Return the address of the worker of an index: 127.0.0.1, 127.0.0.2, ..."""
    return str(IPv4Address(HOST) + index)
