"""End processes for sure: each replica's group, and all that escaped from it.

Orphans become children of the shim (``PR_SET_CHILD_SUBREAPER``, prctl(2)), so whatever a replica started is found
there, sooner or later, and being our unreaped children their numbers cannot be anybody else's.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time

from . import words
from .exchange.heartbeat import Heartbeat
from .processes import tree
from .replica.life import Replica

GIVE_UP_S = 10.0
BREATH_S = 0.02


class Ending:
    """Kills what is due. ``all``: the experiment is over, everything has to go."""

    def __init__(self, marker: str) -> None:
        self._marker = marker.encode()
        self._kill_at: float | None = None
        self._orphans: dict[int, Replica | None] = {}
        self._asked: set[int] = set()
        self._foreign: set[int] = set()  # what belongs to another user, and does not hear us
        self._left: dict[int, bool] = {}  # what could not be ended, and whether it belongs to another user

    @property
    def all(self) -> bool:
        """Return whether everything is being ended."""
        return self._kill_at is not None

    def start(self, grace_s: float) -> None:
        """End everything, with ``grace_s`` seconds between asking and killing."""
        self._kill_at = time.monotonic() + grace_s

    def refresh(self, replicas: list[Replica]) -> None:
        """Reap the orphans that died; find out from which replica the others come, where that can be told."""
        mains = {replica.pid: replica for replica in replicas if replica.pid is not None}
        names = {replica.item.name: replica for replica in mains.values()}
        known = self._orphans
        living = [
            pid for pid in tree.children(os.getpid()) if pid not in mains and not self._reaped(pid, known.get(pid))
        ]
        # One that cannot be told now may be at exec, with no environment yet.
        self._orphans = {pid: known.get(pid) or self._owner(pid, mains, names) for pid in living}
        self._asked.intersection_update(living)

    def background(self, replica: Replica) -> int:
        """Return how many processes of a replica's session live that its own process left behind.

        What is in that session belongs to the command: a job that its shell put into the background, also under nohup.
        A daemon has begun a session of its own (setsid(2)), so that nobody waits for it.
        """
        found = self.orphans(replica)
        for pid in found:  # grows while it is walked
            found += tree.children(pid)
        return sum(tree.session(pid) == replica.pid and not tree.is_zombie(pid) for pid in found)

    def orphans(self, replica: Replica) -> list[int]:
        """Return the processes that a replica left to the shim."""
        return [pid for pid, owner in self._orphans.items() if owner is replica]

    def roots(self, replica: Replica) -> list[int]:
        """Return the processes from which all of a replica descend."""
        return [*([] if replica.pid is None else [replica.pid]), *self.orphans(replica)]

    def clean(self, replicas: list[Replica], grace_s: float) -> list[Replica]:
        """Ask or kill what is due; return the replicas of which no process is left, or none that can be ended."""
        now = time.monotonic()
        for replica in replicas:
            if replica.must_die:
                self._kill_main(replica)
        self.refresh(replicas)
        for pid, owner in self._orphans.items():
            if owner is not None and owner.unclean and owner.kill_at is None and not owner.behind:
                owner.ask(grace_s)
            self._end_orphan(pid, owner, now)
        return [replica for replica in replicas if self._is_clean(replica, now)]

    def kill_everything(self, replicas: list[Replica], heart: Heartbeat) -> None:
        """Kill all there is, and wait until it is gone; for when nothing else can be relied on any more."""
        until = time.monotonic() + GIVE_UP_S
        while True:
            heart.beat()
            for replica in replicas:
                with contextlib.suppress(OSError):
                    replica.kill()
            living = [pid for pid in tree.descendants(os.getpid()) if not tree.is_zombie(pid)]
            for pid in living:
                self._signal(pid, signal.SIGKILL)
            if not living or time.monotonic() > until:
                self._left.update({pid: pid in self._foreign for pid in living})
                return
            time.sleep(BREATH_S)

    def could_not_end(self) -> str | None:
        """Name the processes that could not be ended and live on."""
        living = [pid for pid in sorted(self._left) if not tree.is_zombie(pid)]
        foreign = [str(pid) for pid in living if self._left[pid]]
        hanging = [str(pid) for pid in living if not self._left[pid]]
        said = []
        if foreign:
            said.append(words.processes(len(foreign), f"of another user could not be ended: pid {', '.join(foreign)}"))
        if hanging:
            rest = f"could not be ended, hanging in the kernel: pid {', '.join(hanging)}"
            said.append(words.processes(len(hanging), rest))
        return "; ".join(said) or None

    def _reaped(self, pid: int, owner: Replica | None) -> bool:
        try:
            ended, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            return True
        if ended and owner is not None and owner.behind:
            code = os.waitstatus_to_exitcode(status)
            if code:
                owner.behind_failed = f"with exit code {code}" if code > 0 else f"by {words.signal_name(-code)}"
        return ended == pid

    def _owner(self, pid: int, mains: dict[int, Replica], names: dict[str, Replica]) -> Replica | None:
        name = tree.marker(pid, self._marker)
        return mains.get(tree.session(pid)) or (names.get(name) if name is not None else None)

    def _kill_main(self, replica: Replica) -> None:
        try:
            replica.kill()
        except PermissionError:
            if replica.pid is not None:
                self._spare(replica.pid)

    def _end_orphan(self, pid: int, owner: Replica | None, now: float) -> None:
        kill_at = owner.kill_at if owner is not None else None
        if kill_at is None or (self._kill_at is not None and self._kill_at < kill_at):
            kill_at = self._kill_at
        if kill_at is None:
            return  # a daemon of a replica that runs, or of one that cannot be told: it has time until the end
        if now >= kill_at:
            self._signal(pid, signal.SIGKILL)
        elif pid not in self._asked:
            self._asked.add(pid)
            if not (owner is not None and owner.asked_rest and _group(pid) == owner.pid):  # it has been told
                self._signal(pid, signal.SIGTERM)

    def _signal(self, pid: int, number: int) -> None:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass
        except PermissionError:
            if number == signal.SIGKILL:
                self._spare(pid)

    def _spare(self, pid: int) -> None:
        """Leave a process of another user alone; what it started may be ours again, as with sudo -u."""
        self._foreign.add(pid)
        for child in tree.descendants(pid):
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                continue
            except PermissionError:
                self._foreign.add(child)

    def _is_clean(self, replica: Replica, now: float) -> bool:
        if replica.pid is None or replica.behind:
            return False
        if replica.kill_at is not None and now > replica.kill_at + GIVE_UP_S:
            self._give_up(replica)  # not even SIGKILL ends a process that hangs in the kernel, or another user's
            return True
        if not replica.exited:
            return False
        if self.all:
            return not self._orphans.keys() - self._left.keys()
        if replica in self._orphans.values():
            return False
        # Whoever still holds the pipe cannot be told: its output is taken until the experiment ends.
        return replica.pipe < 0 or not replica.settled

    def _give_up(self, replica: Replica) -> None:
        roots = [replica.pid] if replica.alive and replica.pid is not None else []
        roots += self._orphans if self.all else self.orphans(replica)
        for pid in [*roots, *(pid for root in roots for pid in tree.descendants(root))]:
            if not tree.is_zombie(pid):
                self._left[pid] = pid in self._foreign


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0
