"""Lend ports to replicas without the race between choosing a port and using it.

A leased port is bound here, not listening, until the shim holds it the same way; ``shim/ports.py`` says why that works.
Ports come from a range the system does not hand out by itself.
"""

from __future__ import annotations

import contextlib
import random
import socket
import sys
import threading
from pathlib import Path

from submarine_jupyter.errors import TargetUnavailable

FIRST, LAST = 20000, 29999
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


class PortLeases:
    """The ports that experiments of this data directory have, by experiment id."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._leases: dict[str, set[int]] = {}
        self._sockets: dict[str, list[socket.socket]] = {}
        self._candidates = _candidates()

    def lease(self, key: str, count: int, *, hold: bool = True) -> list[int]:
        """Lend free ports to an experiment, held if asked for. Raises TargetUnavailable if there are too few."""
        found: list[int] = []
        with self._lock:
            leased = set().union(*self._leases.values())
            start = random.randrange(len(self._candidates))  # noqa: S311 - so that two servers rarely try the same
            for port in self._candidates[start:] + self._candidates[:start]:
                if len(found) == count:
                    break
                if port not in leased and self._bind(key, port):
                    found.append(port)
            if len(found) < count:
                self.held_elsewhere(key)
                raise TargetUnavailable(f"no {count} free ports between {FIRST} and {LAST}")
            self._leases.setdefault(key, set()).update(found)
        if not hold:
            self.held_elsewhere(key)
        return found

    def adopt(self, key: str, ports: list[int]) -> None:
        """Remember the ports of an experiment that runs already."""
        self._leases.setdefault(key, set()).update(ports)

    def held_elsewhere(self, key: str) -> None:
        """Stop holding an experiment's ports: its shim does."""
        for held in self._sockets.pop(key, []):
            held.close()

    def release(self, key: str) -> None:
        """Take back the ports of an experiment."""
        self.held_elsewhere(key)
        self._leases.pop(key, None)

    def close(self) -> None:
        """Stop holding all ports."""
        for key in list(self._sockets):
            self.held_elsewhere(key)

    def _bind(self, key: str, port: int) -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind(("", port))  # fails also where another server holds the port as we do
            except OSError:
                return False
        holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind(("", port))
        except OSError:
            holder.close()
            return False
        if sys.platform != "linux":
            holder.close()  # there the replica itself could not listen on a port that is held
            return True
        self._sockets.setdefault(key, []).append(holder)
        return True


def _candidates() -> list[int]:
    low, high = 0, 0
    with contextlib.suppress(OSError, ValueError):
        low, high = map(int, _EPHEMERAL.read_text().split())
    ports = [port for port in range(FIRST, LAST + 1) if not low <= port <= high]
    return ports or list(range(FIRST, LAST + 1))
