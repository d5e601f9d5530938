"""End processes for sure: each replica's group, and all that escaped from it.

Orphans become children of the shim (``PR_SET_CHILD_SUBREAPER``, prctl(2)), so whatever a replica started is found
there, sooner or later, and being our unreaped children their numbers cannot be anybody else's.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time

from . import tree
from .replica import Replica

GIVE_UP_S = 10.0


class Ending:
    """Kills what is due. ``all``: the experiment is over, everything has to go."""

    def __init__(self, marker: str) -> None:
        self._marker = marker
        self._kill_at: float | None = None
        self._orphans: dict[int, Replica | None] = {}
        self._told: set[int] = set()

    @property
    def all(self) -> bool:
        """Tell whether everything is being ended."""
        return self._kill_at is not None

    def start(self, grace_s: float) -> None:
        """End everything, with ``grace_s`` seconds between asking and killing."""
        self._kill_at = time.monotonic() + grace_s

    def clean(self, replicas: list[Replica], grace_s: float) -> list[Replica]:
        """Ask or kill what is due; return the replicas of which no process is left."""
        now = time.monotonic()
        for replica in replicas:
            if replica.must_die:
                replica.signal_group(signal.SIGKILL)
        self._look(replicas)
        for pid, owner in self._orphans.items():
            if owner is not None and owner.unclean and owner.kill_at is None:
                owner.ask(grace_s)
            self._end_orphan(pid, owner, now)
        return [replica for replica in replicas if self._is_clean(replica, now)]

    def processes(self, replica: Replica) -> list[int]:
        """Return all processes of a replica, as far as they can be told."""
        roots = [replica.pid, *(pid for pid, owner in self._orphans.items() if owner is replica)]
        return [pid for root in roots if root is not None for pid in (root, *tree.descendants(root))]

    def _look(self, replicas: list[Replica]) -> None:
        """Reap the orphans that died; find out from which replica the others come, where that can be told."""
        mains = {replica.pid for replica in replicas}
        living = [pid for pid in tree.children(os.getpid()) if pid not in mains and not _reaped(pid)]
        known = self._orphans
        # One that cannot be told now may be at exec, with no environment yet.
        self._orphans = {pid: known.get(pid) or self._owner(pid, replicas) for pid in living}
        self._told.intersection_update(living)

    def _owner(self, pid: int, replicas: list[Replica]) -> Replica | None:
        with contextlib.suppress(ProcessLookupError):
            group = os.getpgid(pid)
            for replica in replicas:
                marker = f"{self._marker}{replica.item.name}".encode()
                if replica.pid is not None and (replica.pid == group or tree.has_marker(pid, marker)):
                    return replica
        return None

    def _end_orphan(self, pid: int, owner: Replica | None, now: float) -> None:
        kill_at = owner.kill_at if owner is not None else None
        if kill_at is None or (self._kill_at is not None and self._kill_at < kill_at):
            kill_at = self._kill_at
        if kill_at is None:
            return  # a daemon of a replica that runs, or of one that cannot be told: it has time until the end
        if now >= kill_at:
            os.kill(pid, signal.SIGKILL)
        elif pid not in self._told:
            self._told.add(pid)
            os.kill(pid, signal.SIGTERM)

    def _is_clean(self, replica: Replica, now: float) -> bool:
        if not replica.unclean:
            return False
        if replica.kill_at is not None and now > replica.kill_at + GIVE_UP_S:
            return True  # not even SIGKILL ends a process that hangs in the kernel
        if self.all:
            return not self._orphans
        if replica in self._orphans.values():
            return False
        # Whoever still holds the pipe cannot be told: its output is taken until the experiment ends.
        return replica.pipe < 0 or not replica.settled


def _reaped(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True
