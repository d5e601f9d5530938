"""Lend ports to replicas without the race between choosing a port and using it.

A leased port is bound here, not listening, until the shim holds it the same way; ``shim/ports.py`` says why that works.
Ports come from a range the system does not hand out by itself.
"""

from __future__ import annotations

import contextlib
import errno
import os
import random
import resource
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from submarine_jupyter.errors import TargetUnavailable

FIRST, LAST = 20000, 29999
RESERVED_FILES = 64  # descriptors that the server keeps for connections, files and the database
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


class PortLeases:
    """The ports that experiments of this data directory have, by experiment id."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._leases: dict[str, dict[int, socket.socket | None]] = {}  # a port with the socket that holds it here
        self._candidates = _candidates()

    def lease(self, key: str, count: int, *, hold: bool = True) -> list[int]:
        """Lend free ports to an experiment, held if asked for. Raises TargetUnavailable if there are too few.

        What was taken is given back when not all can be had.
        """
        if count == 0:
            return []
        found: dict[int, socket.socket | None] = {}
        with self._lock:
            try:
                self._spare(count)
                leased = set().union(*self._leases.values())
                start = random.randrange(len(self._candidates))  # noqa: S311 - so that two servers rarely try the same
                for port in self._candidates[start:] + self._candidates[:start]:
                    if len(found) == count:
                        break
                    if port not in leased and (holder := _bind(port)) is not None:
                        found[port] = holder
                if len(found) < count:
                    raise TargetUnavailable(f"there are no {count} free ports between {FIRST} and {LAST}")
                self._leases[key] = {**self._leases.get(key, {}), **found}
            except BaseException:
                for holder in found.values():
                    _close(holder)
                raise
            if not hold:
                self.held_elsewhere(key)
        return list(found)

    @contextlib.contextmanager
    def kept_only_if_done(self, key: str) -> Iterator[None]:
        """Give back what an experiment leases within this context if that ends with an exception."""
        with self._lock:
            before = set(self._leases.get(key, {}))
        try:
            yield
        except BaseException:
            with self._lock:
                leases = self._leases.get(key, {})
                for port in leases.keys() - before:
                    _close(leases.pop(port))
            raise

    def adopt(self, key: str, ports: list[int]) -> None:
        """Remember the ports of an experiment that runs already."""
        with self._lock:
            self._leases[key] = {**dict.fromkeys(ports), **self._leases.get(key, {})}

    def held_elsewhere(self, key: str) -> None:
        """Stop holding an experiment's ports: its shim does."""
        with self._lock:
            for port, holder in self._leases.get(key, {}).items():
                if holder is not None:
                    holder.close()
                    self._leases[key][port] = None

    def release(self, key: str) -> None:
        """Take back the ports of an experiment."""
        with self._lock:
            self.held_elsewhere(key)
            self._leases.pop(key, None)

    def close(self) -> None:
        """Stop holding all ports."""
        with self._lock:
            for key in self._leases:
                self.held_elsewhere(key)

    def _spare(self, count: int) -> None:
        """Leave the server the descriptors it needs to answer. Raises TargetUnavailable."""
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        used = len(os.listdir("/dev/fd"))
        if files != resource.RLIM_INFINITY and used + count + RESERVED_FILES > files:
            raise TargetUnavailable(
                f"{count} ports cannot be held now: this server may open {files} files, {used} are open and"
                f" {RESERVED_FILES} are kept for itself",
                hint="raise the limit (ulimit -n) or use fewer replicas",
            )


def _bind(port: int) -> socket.socket | None:
    """Return a socket that holds a port, None if somebody has it. Raises OSError for what no other port would mend."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        if not _is_bound(probe, port):  # fails also where another server holds the port as we do
            return None
    holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound = _is_bound(holder, port)
    except BaseException:
        holder.close()
        raise
    if not bound:
        holder.close()
        return None
    if sys.platform != "linux":
        holder.close()  # there the replica itself could not listen on a port that is held
    return holder


def _is_bound(holder: socket.socket, port: int) -> bool:
    try:
        holder.bind(("", port))
    except OSError as error:
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            return False
        raise
    return True


def _close(holder: socket.socket | None) -> None:
    if holder is not None:
        holder.close()


def _candidates() -> list[int]:
    low, high = 0, 0
    with contextlib.suppress(OSError, ValueError):
        low, high = map(int, _EPHEMERAL.read_text().split())
    ports = [port for port in range(FIRST, LAST + 1) if not low <= port <= high]
    return ports or list(range(FIRST, LAST + 1))
