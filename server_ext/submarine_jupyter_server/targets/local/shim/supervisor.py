"""The loop of the shim: make the plan real, watch, and write down what happens."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import time

from . import record, tree
from .archive import Archive
from .ending import Ending
from .failpoint import reach
from .outcome import Verdict, judge
from .plan import HELPER, PlanFile
from .replica import FAILED, RUNNING, STOPPED, SUCCEEDED, Replica, now_ms
from .spawn import wait_until_running
from .wakeup import Wakeup

TICK_S = 1.0
BREATH_MS = 5
CREATED = "Created"


class Supervisor:
    """Runs the replicas of one attempt from start to end."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._wakeup = Wakeup(folder)
        self._file = PlanFile(folder)
        # Only after the FIFO is open, so that no call to look again is lost.
        plan = self._file.changed()
        if plan is None:
            raise RuntimeError("there is no plan")
        self._plan = plan
        self._replicas: dict[str, Replica] = {}
        self._ending = Ending(plan.marker)
        self._verdict: Verdict | None = None
        self._linger_until = 0.0
        self._created_ms = now_ms()
        self._running_ms: int | None = None
        self._running_since = time.monotonic()
        self._tick_at = self._publish_at = 0.0
        self._changed = True

    def run(self) -> None:
        """Supervise until everything has ended and is written down."""
        while not self._over():
            self._follow_plan()
            self._start_due()
            self._publish()
            self._wait()
            died, ticked = self._poll_processes(), self._tick()
            self._decide()
            if died or ticked or any(replica.unclean or replica.must_die for replica in self._replicas.values()):
                self._clean()
        self._finish()

    def _over(self) -> bool:
        return self._verdict is not None and all(replica.closed for replica in self._replicas.values())

    def _follow_plan(self) -> None:
        """Make it so: add replicas, end those that are no longer wanted, or all."""
        if self._verdict is None:
            self._follow_replicas()
        stop = self._plan.stop
        if stop is not None and not self._ending.all:
            self._verdict = self._verdict or Verdict(FAILED, stop.reason, stop.message)
            self._end_all(stop.grace_s)

    def _follow_replicas(self) -> None:
        wanted = {item.name: item for item in self._plan.replicas}
        for name, item in wanted.items():
            known = self._replicas.get(name)
            if known is None or (known.closed and known.item.incarnation != item.incarnation):
                archive = known.archive if known else Archive(self._logs(name), self._plan.log_cap_bytes)
                self._replicas[name] = Replica(item, archive)
            elif known.item.incarnation != item.incarnation and not known.ending:
                known.end(self._plan.grace_s)
        for name, replica in self._replicas.items():
            if name not in wanted and not replica.ending:
                replica.end(self._plan.grace_s)
                replica.reason = "ScaledDown"
                self._changed = True

    def _logs(self, name: str) -> str:
        return f"{self._folder}/logs/{name}"

    def _start_due(self) -> None:
        """Start all replicas that are due, then wait until each of them runs its program."""
        now = time.monotonic()
        due = [r for r in self._replicas.values() if r.pid is None and r.restart_at is not None and r.restart_at <= now]
        if not due or self._verdict is not None:
            return
        for ready in [replica.start() for replica in due]:
            if ready is not None:
                wait_until_running(ready)
        self._changed = True
        if self._running_ms is None:
            self._running_ms = now_ms()
            self._running_since = time.monotonic()
            self._publish()
            reach("shim_running")

    def _wait(self) -> None:
        """Sleep until there is output, an ended process, a signal, news of the plan, or something is due."""
        if self._over():
            return
        poll = select.poll()
        poll.register(self._wakeup.fileno(), select.POLLIN)
        if self._wakeup.ctl >= 0:
            poll.register(self._wakeup.ctl, select.POLLIN)
        pipes = {replica.pipe: replica for replica in self._replicas.values() if replica.pipe >= 0}
        for pipe in pipes:
            poll.register(pipe, select.POLLIN)
        for fd, _ in poll.poll(self._timeout_ms()):
            if fd in pipes:
                pipes[fd].pump()
        if self._wakeup.read() or time.monotonic() >= self._tick_at:
            self._read_plan()

    def _timeout_ms(self) -> int:
        times = [self._tick_at]
        for replica in self._replicas.values():
            times += [at for at in (replica.kill_at, replica.restart_at) if at is not None]
        # What was due already is being waited for: a child that dies says so, and its orphans are looked for soon.
        return max(int((min(times) - time.monotonic()) * 1000), BREATH_MS)

    def _read_plan(self) -> None:
        try:
            plan = self._file.changed()
        except FileNotFoundError:
            self._wakeup.terminated = True  # its folder was removed: nobody could see or stop it any more
            return
        except (OSError, ValueError, KeyError) as error:
            print(f"plan.json cannot be read: {error!r}", file=sys.stderr)  # noqa: T201 - goes to shim.log
            return
        if plan is not None:
            self._plan = plan
            self._changed = True

    def _poll_processes(self) -> bool:
        """Look which processes ended; return whether any child did."""
        if not self._wakeup.child_died:
            return False
        self._wakeup.child_died = False
        for replica in self._replicas.values():
            if replica.poll():
                self._changed = True
                self._settle(replica)
        return True

    def _settle(self, replica: Replica) -> None:
        """Give a replica whose process has just ended its result, or another try."""
        if replica.ending:
            replica.settle(STOPPED, replica.reason)
        elif replica.exit_code == 0:
            replica.settle(SUCCEEDED)
        elif replica.restarts < self._plan.retries and self._verdict is None:
            seconds = 2**replica.restarts
            tries = f"start {replica.restarts + 2} of {self._plan.retries + 1} in {seconds} s"
            replica.restart_in(seconds, f"{replica.how_it_ended()}\n{tries}")
        elif replica.out_of_memory:
            replica.settle(FAILED, "OOMKilled", f"{replica.item.name} ran out of memory at {replica.item.memory}")
        else:
            replica.settle(FAILED, "ReplicaFailed", replica.how_it_ended())

    def _tick(self) -> bool:
        """Once a second, kill who takes more memory than it asked for; return whether a second passed."""
        if time.monotonic() < self._tick_at:
            return False
        self._tick_at = time.monotonic() + TICK_S
        for replica in self._replicas.values():
            limit = replica.item.memory_bytes
            if limit and replica.alive and tree.memory(self._ending.processes(replica), limit) > limit:
                replica.out_of_memory = True
                replica.ask(0.0)
        return True

    def _decide(self) -> None:
        """End the rest as soon as it is clear how the experiment ends."""
        now = time.monotonic()
        if self._wakeup.terminated and not self._ending.all:
            self._verdict = self._verdict or Verdict(FAILED, "Terminated", "its supervisor was told to end")
            self._end_all(self._plan.grace_s)
        if self._wakeup.stop_ordered and not self._ending.all:
            self._verdict = self._verdict or Verdict(FAILED, "Stopped", "it was stopped")
            self._end_all(self._plan.grace_s)
        if self._verdict is None:
            self._verdict = self._overdue(now) or judge(self._planned())
            self._linger_until = now + self._plan.linger_s
            self._changed |= self._verdict is not None
        if self._verdict is None or self._ending.all:
            return
        # After their leader, workers get a while to come to their own end: their last lines matter.
        working = any(replica.alive and replica.item.duty != HELPER for replica in self._planned())
        if not (self._verdict.status == SUCCEEDED and working and now < self._linger_until):
            self._end_all(self._plan.grace_s)

    def _planned(self) -> list[Replica]:
        names = {item.name for item in self._plan.replicas}
        return [replica for name, replica in self._replicas.items() if name in names]

    def _overdue(self, now: float) -> Verdict | None:
        limit = self._plan.max_run_time_s
        if limit is None or self._running_ms is None or now - self._running_since < limit:
            return None
        return Verdict(FAILED, "DeadlineExceeded", f"it ran longer than runtime.maxRunTime={limit:g} s")

    def _end_all(self, grace_s: float) -> None:
        self._ending.start(grace_s)
        for replica in self._replicas.values():
            replica.end(grace_s)
        self._changed = True

    def _clean(self) -> None:
        """Kill what is due, and close the replicas of which nothing is left."""
        for replica in self._ending.clean(list(self._replicas.values()), self._plan.grace_s):
            if replica.settled:
                replica.close()
            else:
                replica.clean()
            self._changed = True

    def _publish(self) -> None:
        """Write ``state.json`` if something changed; a full disk is no reason to stop, it is tried again."""
        if not self._changed or time.monotonic() < self._publish_at:
            return
        try:
            record.write_file(f"{self._folder}/state.json", self._state(), durable=False)
        except OSError:
            self._publish_at = time.monotonic() + TICK_S
            return
        self._changed = False
        self._tell()

    def _state(self) -> dict[str, object]:
        verdict = self._verdict if self._over() else None
        status = CREATED if self._running_ms is None else RUNNING
        return {
            "experiment_id": self._plan.experiment_id,
            "uid": self._plan.uid,
            "attempt": self._plan.attempt,
            "generation": self._plan.generation,
            "status": verdict.status if verdict else status,
            "reason": verdict.reason if verdict else None,
            "message": verdict.message if verdict else None,
            "created_ms": self._created_ms,
            "running_ms": self._running_ms,
            "finished_ms": now_ms() if verdict else None,
            "replicas": [replica.report() for replica in self._replicas.values()],
        }

    def _finish(self) -> None:
        """Write ``exit.json``, however long the disk is full."""
        reach("shim_exit_before")
        state = self._state()
        while True:
            try:
                record.write_file(f"{self._folder}/exit.json", state, durable=True)
            except FileNotFoundError:
                return  # the whole folder was removed: nobody asks any more
            except OSError:
                time.sleep(TICK_S)
            else:
                break
        with contextlib.suppress(OSError):
            os.unlink(f"{self._folder}/ctl")
        reach("shim_exit_after")
        self._tell()

    def _tell(self) -> None:
        record.tell(self._folder, f"{self._plan.experiment_id}/{self._plan.attempt}\n")
