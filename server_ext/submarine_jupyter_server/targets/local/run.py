"""One experiment on this machine: its attempts, and what is done for it with files and processes."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from submarine_jupyter import backoff
from submarine_jupyter.errors import TargetRefused
from submarine_jupyter_server.process.failpoints import reach
from submarine_jupyter_server.targets.protocol import Launch, Observation
from submarine_jupyter_server.targets.replicas import Member, members

from .attempts import launcher, planning
from .attempts.attempt_status import SILENCE_S, AttemptStatus, Life, Pulse
from .attempts.planning import Settings
from .machine.fitting import amount
from .machine.port_leases import PortLeases
from .machine.scheduler import Amount
from .rundir import workspace
from .rundir.files import Json, Unreadable, write_json
from .rundir.folders import Attempt, ExperimentFolder, Lock
from .shim.exchange.wakeup import STOP

MOST_SILENCE_S = 2.0  # what one interval counts at most: this process may have been stopped itself
UNSURE_S = 5.0
FIRST_PAUSE_S, LAST_PAUSE_S = 1.0, 60.0
UNSEEN, NOTHING = AttemptStatus(Life.UNSTARTED), Amount()
_HOLDING = (Life.UNSTARTED, Life.ALIVE, Life.LOST)


@dataclass(eq=False, slots=True)
class AttemptRun:
    """One attempt that is not known to have ended; ``plan`` is None while it waits for its turn."""

    launch: Launch
    folder: Attempt
    plan: Json | None = None
    damage: str | None = None  # why its plan cannot be read
    replaced: bool = False  # a newer attempt waits for its end
    stop: Json | None = None  # the order to end
    stopped_at: float = 0.0  # when that was given, on the monotonic clock
    forced: bool = False  # its shim was killed because it did not follow
    left: list[int] = field(default_factory=list)  # processes that not even SIGKILL ends
    spawns: int = 0
    status: AttemptStatus = UNSEEN
    pulse: Pulse | None = None
    silent_s: float = 0.0
    unsure_s: float = 0.0  # since it was last tried to learn more

    def read_plan(self) -> None:
        """Take up the plan that is on the disk."""
        try:
            self.plan, self.damage = self.folder.read("plan.json"), None
        except Unreadable as error:
            self.damage = str(error)
        if self.plan is not None and self.stop is None and self.plan["stop"] is not None:
            self.stop, self.stopped_at = self.plan["stop"], time.monotonic()

    @property
    def planned(self) -> set[str]:
        """Return the names of the replicas that were given to the shim."""
        return {item["name"] for item in self.plan["replicas"]} if self.plan else set()

    @property
    def stuck(self) -> bool:
        """Return whether its shim is there and gives no sign of life."""
        beats = self.pulse is not None and self.pulse.lock is Lock.HELD
        return beats and self.status.life is Life.ALIVE and self.silent_s >= SILENCE_S

    @property
    def over(self) -> bool:
        """Return whether nothing of it is left to care for."""
        return self.status.life in (Life.ENDED, Life.VANISHED)

    def feel(self, pulse: Pulse, interval_s: float) -> bool:
        """Record a pulse; return whether the attempt should be inspected now."""
        before, was_stuck, self.pulse = self.pulse, self.stuck, pulse
        if before is None or before.beat_ns != pulse.beat_ns:
            self.silent_s = 0.0
        else:
            self.silent_s += min(interval_s, MOST_SILENCE_S)
        if before is None or (before.lock, before.files) != (pulse.lock, pulse.files) or self.stuck != was_stuck:
            return True
        if self.status.life in (Life.UNREADABLE, Life.ELSEWHERE) and self.stop is None:
            self.unsure_s = 0.0 if self.unsure_s >= UNSURE_S else self.unsure_s + interval_s
            return self.unsure_s == 0.0
        quiet = self.status.life is Life.ALIVE and pulse.lock is Lock.HELD and self.damage is None
        return self.stop is not None or not quiet

    def held(self) -> Amount:
        """Return what its replicas take: those that are planned and have not ended, those that are ending."""
        if self.status.life not in _HOLDING:
            return Amount()
        reported = {replica["name"]: replica for replica in (self.status.state or {}).get("replicas", [])}
        items = {item["name"]: item for item in self.plan["replicas"]} if self.plan else {}
        total = Amount()
        for name in items.keys() | reported.keys():
            known = reported.get(name)
            if known is None or known["pid"] or (name in items and known["status"] in ("Waiting", "Running")):
                total += self._amount(name, items.get(name, {}))
        return total

    def _amount(self, name: str, item: Json) -> Amount:
        if "cpu" in item:
            return Amount(item["cpu"], item["memory_bytes"] or 0)
        role, _, index = name.rpartition("-")
        member = Member(role.capitalize(), int(index))
        return amount(self.launch.spec, member) if member.role in self.launch.spec.spec else Amount()


@dataclass(eq=False, slots=True)
class Run:
    """What is known of an experiment that has not ended: its ``present`` attempt, and ``older`` ones that live."""

    present: AttemptRun
    folder: ExperimentFolder
    older: list[AttemptRun] = field(default_factory=list)
    unreadable: str | None = None  # what is wrong with the record of what was ordered
    deleted: bool = False
    over: bool = False
    fresh: bool = True  # nothing of it is written yet
    trouble: str | None = None  # why it could not be started the last time
    failures: int = 0
    failed: bool = False  # the last look at it
    granted: Amount = NOTHING  # what it may take, but has not yet
    reported: Observation | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    busy: Future[object] | None = None  # a call for it that has not come back

    @property
    def launch(self) -> Launch:
        """Return what was ordered last."""
        return self.present.launch

    @property
    def attempts(self) -> list[AttemptRun]:
        """Return all attempts that are not known to have ended, oldest first."""
        return [*self.older, self.present]

    @property
    def stopping(self) -> bool:
        """Return whether everything is to end."""
        return self.present.stop is not None

    @property
    def occupied(self) -> bool:
        """Return whether a call for it is under way."""
        return self.busy is not None and not self.busy.done()

    def turn_to(self, launch: Launch, older: list[AttemptRun], present: AttemptRun) -> None:
        """Take up what is ordered now: its attempt as it is on disk, and ``older`` ones that may live."""
        known = {attempt.launch.attempt: attempt for attempt in self.attempts}
        if self.fresh or launch.attempt > self.launch.attempt:
            self.reported, self.trouble, self.failures = None, None, 0
            self.older = [known.get(attempt.launch.attempt, attempt) for attempt in older]
            for attempt in self.older:
                attempt.replaced = True
            self.present = present
        self.present.launch, self.fresh = launch, False

    def held(self) -> Amount:
        """Return what its processes take, and what it may take at any moment."""
        return sum((attempt.held() for attempt in self.attempts), self.granted)

    def missing(self) -> Amount:
        """Return what the replicas that are not yet planned will take."""
        new = [member for member in members(self.launch.spec) if member.name not in self.present.planned]
        return sum((amount(self.launch.spec, member) for member in new), Amount())

    def pause_s(self) -> float:
        """Return how long to wait before the next try, after so many that failed."""
        return backoff.pause_s(self.failures, FIRST_PAUSE_S, LAST_PAUSE_S)


def record(folder: ExperimentFolder, launch: Launch) -> Launch:
    """Write down what is ordered; return what counts, newer if this order is a late one.

    Raises TargetRefused for what cannot be started at all, before anything is written.
    """
    known = folder.read_launch()
    if known is not None and known.uid != launch.uid:
        raise TargetRefused(f"{launch.experiment_id}: the name belongs to another experiment (NameConflict)")
    if folder.deleted:
        raise TargetRefused(f"{launch.experiment_id} was deleted")
    if known is not None and (known.attempt, known.generation) >= (launch.attempt, launch.generation):
        return known
    if known is None or known.attempt < launch.attempt:
        workspace.refuse(launch, folder.attempt(launch.attempt))
    folder.write_launch(launch)
    reach("rundir_created")
    return launch


def on_disk(launch: Launch, folder: ExperimentFolder) -> tuple[list[AttemptRun], AttemptRun]:
    """Return the attempts before the one in ``launch`` that may live, and that one itself. Blocks."""
    present = AttemptRun(launch, folder.attempt(launch.attempt))
    present.read_plan()
    return older_than(launch, folder), present


def begin(run: Run, settings: Settings, ports: PortLeases) -> None:
    """Write the plan of an attempt and start its shim."""
    launch, attempt = run.launch, run.present.folder
    plan = attempt.read("plan.json")
    if plan is None:
        with ports.kept_only_if_done(launch.experiment_id):
            workspace.prepare(launch, attempt)
            plan = attempt.create_plan(planning.make_plan(launch, attempt, settings, _lease(run, ports)))
    run.present.plan = plan
    reach("plan_written")
    reach("shim_spawn_before")
    launcher.spawn(attempt)
    reach("shim_spawn_after")


def close(run: Run) -> None:
    """Leave no secret in the plans of what has ended, and note that its end was reported."""
    for attempt in run.folder.attempts():
        with contextlib.suppress(OSError, Unreadable):
            plan = attempt.read("plan.json")
            if plan is not None and any(item["env"] for item in plan["replicas"]):
                write_json(attempt.path / "plan.json", planning.scrubbed(plan))
    run.present.folder.mark("seen")


def rescale(run: Run, settings: Settings, ports: PortLeases, *, grow: bool) -> None:
    """Give the shim the replicas that are wanted now, or, unless ``grow``, only those of them it has already."""
    attempt = run.present
    with ports.kept_only_if_done(run.launch.experiment_id):
        plan = planning.make_plan(
            run.launch,
            attempt.folder,
            settings,
            _lease(run, ports),
            attempt.folder.read("plan.json"),
            grow=grow,
        )
        attempt.folder.replace_plan(plan)
    attempt.plan = plan
    reach("plan_written")


def _lease(run: Run, ports: PortLeases) -> Callable[[int], list[int]]:
    hold = run.launch.spec.meta.framework in planning.REUSING
    return lambda count: ports.lease(run.launch.experiment_id, count, hold=hold)


def order_end(attempt: AttemptRun, reason: str, message: str, grace_s: float) -> None:
    """Ask the shim of an attempt to end everything; where there is none, none will start."""
    order = {"reason": reason, "message": message, "grace_s": grace_s}
    if attempt.stop is None:
        attempt.stop, attempt.stopped_at = order, time.monotonic()
    try:
        plan = attempt.folder.read("plan.json") or attempt.plan
    except Unreadable:
        plan = attempt.plan
    if plan is not None:
        attempt.plan = plan = plan if plan["stop"] else plan | {"stop": order}
        attempt.stop = plan["stop"]
        try:
            attempt.folder.replace_plan(plan)
        except OSError as error:
            # Who fills the disk must be stopped all the same.
            if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not attempt.folder.call(STOP):
                raise
    else:
        attempt.folder.call(STOP)


def older_than(launch: Launch, folder: ExperimentFolder) -> list[AttemptRun]:
    """Return the attempts before the one in ``launch`` that may live. Blocks."""
    found = []
    for attempt in folder.attempts():
        if attempt.number < launch.attempt and not _is_over(attempt):
            found.append(AttemptRun(replace(launch, attempt=attempt.number), attempt, replaced=True))
            found[-1].read_plan()
    return found


def _is_over(attempt: Attempt) -> bool:
    try:
        return attempt.has("exit.json") and attempt.lock_state()[0] is not Lock.HELD
    except Unreadable:
        return False
