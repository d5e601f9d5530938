"""One experiment on this machine, and what is done for it with files and processes."""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from submarine_jupyter.errors import TargetRefused
from submarine_jupyter_server.failpoints import reach
from submarine_jupyter_server.targets.base import Launch, Observation
from submarine_jupyter_server.targets.contract import Member, members

from . import launcher, planning
from .orphans import sweep
from .planning import Settings
from .ports import PortLeases
from .rundir import Attempt, ExperimentFolder, Json
from .scheduler import Amount
from .shim.wakeup import STOP
from .sight import Life, Sight, ended, look

POLL_S = 0.05
DYING_S = 15.0  # how long after the grace time an attempt may take to be gone


@dataclass(eq=False, slots=True)
class Run:
    """What is known of an experiment that has not ended; ``plan`` is None while it waits for its turn."""

    launch: Launch
    folder: ExperimentFolder
    plan: Json | None = None
    deleted: bool = False
    over: bool = False
    fresh: bool = True  # nothing of it is written yet
    spawns: int = 0
    trouble: str | None = None  # why it could not be started the last time
    told: Observation | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def turn_to(self, launch: Launch, plan: Json | None) -> None:
        """Take up what is ordered now; ``plan`` is what its attempt has been given already."""
        if self.fresh or launch.attempt > self.launch.attempt:
            self.told, self.trouble, self.spawns = None, None, 0
        self.launch, self.plan, self.fresh = launch, plan, False

    @property
    def attempt(self) -> Attempt:
        """Return the folder of the present attempt."""
        return self.folder.attempt(self.launch.attempt)

    @property
    def planned(self) -> set[str]:
        """Return the names of the replicas that were given to the shim."""
        return {item["name"] for item in self.plan["replicas"]} if self.plan else set()

    @property
    def stopping(self) -> bool:
        """Tell whether the shim was told to end everything."""
        return self.plan is not None and self.plan["stop"] is not None

    def missing(self) -> Amount:
        """Return what the replicas that are not yet planned will take."""
        new = [member for member in members(self.launch.spec) if member.name not in self.planned]
        return sum((self._amount(member) for member in new), Amount())

    def held(self, state: Json | None) -> Amount:
        """Return what its replicas take now: those that are planned and have not ended, those that are ending."""
        seen = {replica["name"]: replica for replica in (state or {}).get("replicas", [])}
        total = Amount()
        for name in self.planned | seen.keys():
            known = seen.get(name)
            if known is None or known["pid"] or (name in self.planned and known["status"] in ("Waiting", "Running")):
                role, _, index = name.rpartition("-")
                total += self._amount(Member(role.capitalize(), int(index)))
        return total

    def _amount(self, member: Member) -> Amount:
        return planning.amount(self.launch.spec, member) if member.role in self.launch.spec.spec else Amount()


def record(folder: ExperimentFolder, launch: Launch) -> tuple[Launch, Json | None]:
    """Write down what is ordered; return what counts, newer if this order is a late one, and the plan it has.

    Raises TargetRefused for what cannot be started at all, before anything is written.
    """
    known = folder.read_launch()
    if known is not None and known.uid != launch.uid:
        raise TargetRefused(f"{launch.experiment_id}: the name belongs to another experiment (NameConflict)")
    if folder.deleted:
        raise TargetRefused(f"{launch.experiment_id} was deleted")
    if known is not None and (known.attempt, known.generation) >= (launch.attempt, launch.generation):
        return known, folder.attempt(known.attempt).read("plan.json")
    if known is None or known.attempt < launch.attempt:
        planning.working_dir(launch.spec)
    folder.write_launch(launch)
    reach("rundir_created")
    return launch, folder.attempt(launch.attempt).read("plan.json")


def begin(run: Run, settings: Settings, ports: PortLeases) -> Json:
    """Write the plan of an attempt and start its shim; return the plan."""
    launch, attempt = run.launch, run.attempt
    _end_older(run)
    plan = attempt.read("plan.json")
    if plan is None:
        planning.prepare(launch, attempt)
        draft = planning.make_plan(launch, attempt, settings, _lease(run, ports))
        plan = attempt.create_plan(draft)
    reach("plan_written")
    reach("shim_spawn_before")
    launcher.spawn(attempt)
    reach("shim_spawn_after")
    return plan


def rescale(run: Run, settings: Settings, ports: PortLeases, *, grow: bool) -> Json:
    """Give the shim the replicas that are wanted now, or, unless ``grow``, only those of them it has already."""
    plan = planning.make_plan(
        run.launch,
        run.attempt,
        settings,
        _lease(run, ports),
        run.attempt.read("plan.json"),
        grow=grow,
    )
    run.attempt.replace_plan(plan)
    reach("plan_written")
    return plan


def _lease(run: Run, ports: PortLeases) -> Callable[[int], list[int]]:
    hold = run.launch.spec.meta.framework in planning.REUSING
    return lambda count: ports.lease(run.launch.experiment_id, count, hold=hold)


def stop(run: Run, reason: str, message: str, grace_s: float) -> Json | None:
    """Tell the shim to end everything, or write the end of what never started; return the new plan if there is one."""
    if run.plan is None:
        run.attempt.finish(ended(run.launch, None, reason, message))
        return None
    plan = run.attempt.read("plan.json") or run.plan
    if plan["stop"] is None:
        plan = plan | {"stop": {"reason": reason, "message": message, "grace_s": grace_s}}
    try:
        run.attempt.replace_plan(plan)
    except OSError as error:
        # Who fills the disk must be stopped all the same.
        if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not run.attempt.call(STOP):
            raise
    return plan


def bury(launch: Launch, attempt: Attempt, sight: Sight) -> None:
    """Write the end of an attempt whose shim is gone, and end what it left running on this machine."""
    if sight.life is Life.REBOOTED:
        reason, message = "HostRebooted", f"{sight.host} was restarted while it ran"
    elif sight.life is Life.CONTAINER_GONE:
        reason, message = "HostGone", "the container it ran in is gone"
    else:
        left = sweep(launch.uid, launch.attempt, sight.state)
        message = f"its supervisor died; {left} processes it left were ended" if left else "its supervisor died"
        reason, complaint = "SupervisorLost", launcher.complaint(attempt)
        message = f"{message} ({complaint})" if complaint else message
    attempt.finish(ended(launch, sight.state, reason, message))


def _end_older(run: Run) -> None:
    """End the attempts before this one: one experiment is never running twice."""
    for older in run.folder.attempts():
        if older.number >= run.launch.attempt or older.has("exit.json"):
            continue
        launch = replace(run.launch, attempt=older.number)
        plan = older.read("plan.json")
        if plan is not None and plan["stop"] is None:
            order = {"reason": "Stopped", "message": "replaced by a new attempt", "grace_s": plan["grace_s"]}
            older.replace_plan(plan | {"stop": order})
        until = time.monotonic() + (plan["grace_s"] if plan else 0.0) + DYING_S
        while older.is_supervised() and time.monotonic() < until:
            time.sleep(POLL_S)
        if not older.has("exit.json") and not older.is_supervised():
            bury(launch, older, Sight(Life.LOST, older.read("state.json")))


def gone(folder: ExperimentFolder, here: Json) -> bool:
    """Tell whether nothing of an experiment runs any more."""
    return all(look(attempt, here).life in (Life.ENDED, Life.UNSTARTED, Life.VANISHED) for attempt in folder.attempts())
