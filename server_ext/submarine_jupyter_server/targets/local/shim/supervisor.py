"""The loop of the shim: make the plan real, watch, and have written down what happens."""

from __future__ import annotations

import sys
import time

from . import words
from .ending import Ending
from .exchange.heartbeat import Heartbeat
from .exchange.plan import HELPER, PlanFile
from .exchange.wakeup import Wakeup
from .failpoint import reach
from .outcome import AttemptOutcome, judge, settle
from .processes import memory
from .processes.census import Census
from .replica.life import FAILED, SUCCEEDED, Replica
from .replica.log_files import Archive
from .replica.spawn import reserve_descriptors
from .reporter import TICK_S, AttemptReporter
from .system import lacks

BREATH_S = 0.005
MAX_TEXT = 2000
SPARE = 8


class Supervisor:
    """Runs the replicas of one attempt from start to end; ``lock`` is the open lock file of the attempt."""

    def __init__(self, folder: str, lock: int, *, subreaper: bool = True) -> None:
        self._folder, self._subreaper = folder, subreaper
        self._wakeup = Wakeup(folder)
        self._file = PlanFile(folder)
        # Only after the FIFO is open, so that no call to look again is lost.
        plan = self._file.changed()
        if plan is None:
            raise RuntimeError("there is no plan")
        self._plan = plan
        self._replicas: dict[str, Replica] = {}
        self._ending = Ending(plan.marker)
        self._census = Census()
        self._heart = Heartbeat(lock)
        self._reporter = AttemptReporter(folder, self._heart)
        self._verdict: AttemptOutcome | None = None
        self._linger_until = self._tick_at = 0.0
        self._running_since: float | None = None

    def run(self) -> None:
        """Supervise until everything has ended and is written down."""
        while not self._over():
            self._follow_plan()
            self._start_due()
            self._publish()
            self._wait()
            self._heart.beat()
            died, ticked = self._poll_processes(), self._tick()
            self._decide()
            if died or ticked or any(replica.unclean or replica.must_die for replica in self._replicas.values()):
                self._clean()
        self._finish()

    def fail(self, error: Exception) -> None:
        """End everything and write down why: something was raised that nobody expected."""
        why = f"its supervisor failed: {type(error).__name__}: {str(error)[:MAX_TEXT]}".encode(
            errors="replace"
        ).decode()
        self._verdict = self._verdict or AttemptOutcome(FAILED, "SupervisorFailed", why)
        self._ending.kill_everything(list(self._replicas.values()), self._heart)
        for replica in self._replicas.values():
            replica.give_up("SupervisorFailed")
        self._finish()

    def _over(self) -> bool:
        return self._verdict is not None and all(replica.closed for replica in self._replicas.values())

    def _follow_plan(self) -> None:
        """Make it so: add replicas, end those that are no longer wanted, or all."""
        if self._verdict is None:
            self._follow_replicas()
        stop = self._plan.stop
        if stop is not None and not self._ending.all:
            self._verdict = self._verdict or AttemptOutcome(FAILED, stop.reason, stop.message)
            self._end_all(stop.grace_s)

    def _follow_replicas(self) -> None:
        wanted = {item.name: item for item in self._plan.replicas}
        for name, item in wanted.items():
            known = self._replicas.get(name)
            if known is None or (known.closed and known.item.incarnation != item.incarnation):
                archive = known.archive if known else Archive(f"{self._folder}/logs/{name}", self._plan.log_cap_bytes)
                self._replicas[name] = Replica(item, archive)
            elif known.item.incarnation != item.incarnation and not known.ending:
                known.end(self._plan.grace_s)
        for name, replica in self._replicas.items():
            if name not in wanted and not replica.ending:
                replica.end(self._plan.grace_s)
                replica.reason = "ScaledDown"
                self._reporter.changed = True

    def _start_due(self) -> None:
        """Start all replicas that are due; the experiment runs once each of them runs its program."""
        now = time.monotonic()
        due = [r for r in self._replicas.values() if r.pid is None and r.restart_at is not None and r.restart_at <= now]
        if not due or self._verdict is not None:
            return
        with reserve_descriptors(SPARE + len(due)):  # the file of its times is opened with its first line
            for replica in due:
                replica.start()
        self._reporter.changed = True
        child = next((replica.pid for replica in due if replica.pid is not None), None)
        if self._running_since is None and child is not None:
            for sentence in lacks(subreaper=self._subreaper, child=child):
                self._reporter.note(sentence)

    def _note_running(self) -> None:
        """Record that all replicas run, or that one has run already."""
        replicas = self._replicas.values()
        for replica in replicas:
            if replica.ready >= 0 and not replica.starting:
                replica.begun()
        if self._running_since is None and any(replica.started_ms is not None for replica in replicas):
            if any(replica.starting for replica in replicas) and not any(replica.exited for replica in replicas):
                return
            self._running_since = time.monotonic()
            self._reporter.running()
            self._census.take()
            self._publish()
            reach("shim_running")

    def _wait(self) -> None:
        """Sleep until there is output, an ended process, a signal, news of the plan, or something is due."""
        if self._over():
            return
        pipes = {replica.pipe: replica for replica in self._replicas.values() if replica.pipe >= 0}
        starting = {replica.ready: replica for replica in self._replicas.values() if replica.ready >= 0}
        for fd in self._wakeup.wait((*pipes, *starting), self._timeout_ms()):
            if fd in pipes:
                pipes[fd].pump()
            else:
                starting[fd].begun()
        if self._wakeup.read() or time.monotonic() >= self._tick_at:
            self._read_plan()

    def _timeout_ms(self) -> int:
        now = time.monotonic()
        times = [self._tick_at]
        for replica in self._replicas.values():
            times += [at for at in (replica.kill_at, replica.restart_at) if at is not None]
        # What was due already is being waited for: a child that dies says so, and its orphans are looked for soon.
        late = now - min(times)
        return int(max(-late, BREATH_S, min(late / 10, TICK_S / 4)) * 1000)

    def _read_plan(self) -> None:
        try:
            plan = self._file.changed()
        except FileNotFoundError:
            self._verdict = self._verdict or AttemptOutcome(
                FAILED, "Terminated", "somebody removed its plan, plan.json"
            )
            self._wakeup.terminated = True  # nobody could see or stop it any more
            return
        except (OSError, ValueError) as error:
            print(f"plan.json cannot be read: {error!r}", file=sys.stderr)  # noqa: T201 - goes to shim.log
            return
        if plan is not None:
            self._plan = plan
            self._reporter.changed = True

    def _poll_processes(self) -> bool:
        """Find which processes ended; return whether any child did."""
        died, self._wakeup.child_died = self._wakeup.child_died, False
        ended = [replica for replica in self._replicas.values() if replica.poll()] if died else []
        self._note_running()
        if died:
            self._ending.refresh(list(self._replicas.values()))
        for replica in ended:
            self._reporter.changed = True
            self._settle(replica)
        if died:
            self._refresh_behind()
        return died

    def _settle(self, replica: Replica) -> None:
        """Give a replica whose process has just ended its result, another try, or time for what it left running."""
        if replica.exit_code == 0 and not replica.ending and not replica.out_of_memory:
            left = self._ending.background(replica)
            if left:
                replica.behind = left
                return
        settle(replica, self._plan, retry=self._verdict is None)
        if replica.behind_failed:
            # The command has succeeded, and only its writer knows whether it needed this one.
            failed = f"a process that it left in the background ended {replica.behind_failed}"
            self._reporter.note(f"local: {replica.item.name}: {failed}")
        if replica.status == SUCCEEDED and (left := len(self._ending.orphans(replica))):
            verb = "that it left running was ended" if left == 1 else "that it left running were ended"
            self._reporter.note(f"local: {replica.item.name}: {words.processes(left, verb)}")

    def _refresh_behind(self) -> None:
        """Check whether what replicas left in the background has ended."""
        for replica in [replica for replica in self._replicas.values() if replica.behind]:
            self._settle(replica)
            self._reporter.changed |= not replica.behind

    def _tick(self) -> bool:
        """Do what is done once a second; return whether a second passed."""
        if time.monotonic() < self._tick_at:
            return False
        self._tick_at = time.monotonic() + TICK_S
        self._reporter.found |= self._census.take()
        for replica in self._replicas.values():
            replica.archive.check()
            limit = replica.item.memory_bytes
            if limit and replica.works and not replica.out_of_memory:
                used = memory.held(self._census.tree_of(self._ending.roots(replica)), limit)
                if used > limit:
                    self._kill_for_memory(replica, used)
        self._refresh_behind()
        for replica in self._replicas.values():
            if replica.behind:
                self._reporter.changed |= replica.say_behind()
        return True

    def _kill_for_memory(self, replica: Replica, used: int) -> None:
        """Kill without asking, as the kernel does: nothing can turn this end into a good one."""
        replica.out_of_memory, replica.memory_used, replica.kill_at = True, used, time.monotonic()
        if not replica.alive:
            settle(replica, self._plan, retry=False)
            self._reporter.changed = True

    def _decide(self) -> None:
        """End the rest as soon as it is clear how the experiment ends."""
        now = time.monotonic()
        if (self._wakeup.terminated or self._wakeup.stop_ordered) and not self._ending.all:
            by_signal = ("Terminated", "its supervisor was asked to end")
            why = by_signal if self._wakeup.terminated else ("Stopped", "it was stopped")
            self._verdict = self._verdict or AttemptOutcome(FAILED, *why)
            self._end_all(self._plan.grace_s)
        if self._verdict is None:
            overdue = self._overdue(now)
            if overdue is not None:
                # What has ended by itself in time did so, even if nobody could look meanwhile.
                self._wakeup.child_died = True
                self._poll_processes()
            self._verdict = judge(self._planned()) or overdue
            self._linger_until = now + self._plan.linger_s
            self._reporter.changed |= self._verdict is not None
        if self._verdict is None or self._ending.all:
            return
        # After their leader, workers get a while to come to their own end: their last lines matter.
        working = any(replica.works and replica.item.duty != HELPER for replica in self._planned())
        if not (self._verdict.status == SUCCEEDED and working and now < self._linger_until):
            self._end_all(self._plan.grace_s)

    def _planned(self) -> list[Replica]:
        names = {item.name for item in self._plan.replicas}
        return [replica for name, replica in self._replicas.items() if name in names]

    def _overdue(self, now: float) -> AttemptOutcome | None:
        limit = self._plan.max_run_time_s
        if limit is None or self._running_since is None or now - self._running_since < limit:
            return None
        return AttemptOutcome(FAILED, "DeadlineExceeded", f"it ran longer than runtime.maxRunTime={limit:g} s")

    def _end_all(self, grace_s: float) -> None:
        self._ending.start(grace_s)
        for replica in self._replicas.values():
            replica.end(grace_s)
        self._reporter.changed = True

    def _clean(self) -> None:
        """Kill what is due, and close the replicas of which nothing is left."""
        for replica in self._ending.clean(list(self._replicas.values()), self._plan.grace_s):
            if replica.alive:
                replica.lost()
                settle(replica, self._plan, retry=False)
            if replica.settled:
                replica.close()
            else:
                replica.clean()
            self._reporter.changed = True

    def _publish(self) -> None:
        """Publish what there is, except for the moment in which some replicas run and the experiment does not yet."""
        if self._running_since is None and any(replica.starting for replica in self._replicas.values()):
            return
        self._reporter.publish(self._plan, list(self._replicas.values()), self._census.listed)

    def _finish(self) -> None:
        reach("shim_exit_before")
        if self._verdict is not None:
            left = self._ending.could_not_end()
            self._reporter.finish(self._plan, list(self._replicas.values()), self._verdict, left)
        reach("shim_exit_after")
        self._reporter.announce(self._plan)
