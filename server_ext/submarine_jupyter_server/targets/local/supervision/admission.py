"""Who may start: experiments ask for room, and begin or grow once they get it, all replicas at once or none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from submarine_jupyter.errors import TargetRefused, TargetUnavailable
from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter_server.process.clock import now_ms
from submarine_jupyter_server.targets.local import run as acts
from submarine_jupyter_server.targets.local.attempts.attempt_status import AttemptStatus, Life, ended, observe
from submarine_jupyter_server.targets.local.attempts.planning import Settings
from submarine_jupyter_server.targets.local.blocking import blocking_calls
from submarine_jupyter_server.targets.local.blocking.blocking_calls import BlockingCalls
from submarine_jupyter_server.targets.local.machine import turns
from submarine_jupyter_server.targets.local.machine.port_leases import PortLeases
from submarine_jupyter_server.targets.local.machine.scheduler import Amount, Scheduler
from submarine_jupyter_server.targets.local.run import Run
from submarine_jupyter_server.targets.local.rundir.files import Json
from submarine_jupyter_server.targets.protocol import Forecast, Observation
from submarine_jupyter_server.targets.replicas import members

from .tasks import Tasks, safely


class Admission:
    """Room and ports for the experiments in ``runs``.

    ``report`` is given what a start makes of an experiment, ``refresh_soon`` one that is to be inspected.
    """

    def __init__(
        self,
        runs: Mapping[str, Run],
        scheduler: Scheduler,
        settings: Settings,
        calls: BlockingCalls,
        tasks: Tasks,
        here: Json,
        report: Callable[[Run, Observation], Awaitable[None]],
        refresh_soon: Callable[[Run], None],
    ) -> None:
        self._runs = runs
        self._scheduler = scheduler
        self._settings = settings
        self._calls = calls
        self._tasks = tasks
        self._here = here
        self._report = report
        self._refresh_soon = refresh_soon
        self._ports = PortLeases()

    @property
    def changes(self) -> int:
        """Count what may have changed somebody's reason to wait."""
        return self._scheduler.changes

    @property
    def queued(self) -> list[str]:
        """Return who waits, in order."""
        return self._scheduler.queued

    def close(self) -> None:
        """Let go of the ports."""
        self._ports.close()

    def adopt(self, run: Run) -> None:
        """Count what an experiment has that is there already."""
        key = run.launch.experiment_id
        for attempt in run.attempts:
            if attempt.plan is not None:
                self._ports.adopt(key, [port for item in attempt.plan["replicas"] for port in item["ports"]])
        self.hold(run)

    def hold(self, run: Run) -> None:
        """Count what an experiment holds now."""
        self._scheduler.hold(run.launch.experiment_id, run.held())

    def release(self, key: str) -> None:
        """Take back all that an experiment had and asked for."""
        self._scheduler.withdraw(key)
        self._scheduler.hold(key, Amount())
        self._ports.release(key)

    def withdraw(self, key: str) -> None:
        """Let an experiment ask no more."""
        self._scheduler.withdraw(key)

    def waits(self, key: str) -> bool:
        """Return whether an experiment waits for room."""
        return self._scheduler.waits(key)

    def why_waiting(self, key: str) -> str | None:
        """Return what an experiment waits for, None if it does not wait."""
        return self._scheduler.why_waiting(key) if self._scheduler.waits(key) else None

    def forecast(self, spec: ExperimentSpec) -> Forecast:
        """Return what comes of an experiment that is submitted now, behind all that there is room for already."""
        self.admit()
        return turns.forecast(self._scheduler, spec, time.monotonic())

    def place(self, key: str) -> Forecast | None:
        """Return where an experiment waits for room, None if it does not wait."""
        self.admit()
        run = self._runs.get(key)
        if run is None or not self._scheduler.waits(key):
            return None
        spec = run.launch.spec if run.present.plan is None else None
        return turns.place(self._scheduler, key, run.missing(), spec, time.monotonic())

    def ports_in_use(self, key: str) -> None:
        """Keep the ports of an experiment no longer: its replicas have them."""
        self._ports.held_elsewhere(key)

    def room(self) -> dict[str, object]:
        """Return cores and bytes of memory: in all, taken, free; and who waits."""
        whole, used = self._scheduler.capacity, self._scheduler.used
        free = whole - used
        return {
            "cpu": {"total": whole.cpu / 1000, "used": used.cpu / 1000, "free": free.cpu / 1000},
            "memory": {"total": whole.memory, "used": used.memory, "free": free.memory},
            "running": sum(run.present.plan is not None for run in self._runs.values()),
            "queued": self._scheduler.queued,
        }

    async def request(self, run: Run, *, first: bool = False) -> None:
        """Have an experiment get what it should have: less at once, more when there is room. ``run.lock`` is held."""
        if run.over or run.stopping or run.deleted or run.older or run.unreadable or run.present.damage:
            return
        wanted = {member.name for member in members(run.launch.spec)}
        if run.present.plan is not None and run.present.planned - wanted:
            await self._calls.act(
                run, blocking_calls.WORK_S, acts.rescale, run, self._settings, self._ports, grow=False
            )
        if wanted - run.present.planned:
            self._scheduler.request(run.launch.experiment_id, run.missing(), first=first)
        else:
            self._scheduler.withdraw(run.launch.experiment_id)

    def admit(self) -> dict[str, asyncio.Task[None]]:
        """Start what there is room for."""
        begun = {}
        for key in self._scheduler.admit(time.monotonic()):
            if (run := self._runs.get(key)) is not None:
                run.granted = run.missing()
                begun[key] = self._tasks.spawn(safely(self._grant, run))
        return begun

    async def _grant(self, run: Run) -> None:
        async with run.lock:
            try:
                if not (run.over or run.stopping or run.deleted or run.older):
                    await self._give(run)
            finally:
                run.granted = Amount()
                if not run.over:
                    self.hold(run)

    async def _give(self, run: Run) -> None:
        """Start or enlarge an experiment that may take what it asked for."""
        growing = run.present.plan is not None
        work = (run, self._settings, self._ports)
        try:
            if growing:
                await self._calls.act(run, blocking_calls.WORK_S, acts.rescale, *work, grow=True)
            else:
                await self._calls.act(run, blocking_calls.WORK_S, acts.begin, *work)
        except TargetRefused as error:
            if not growing:
                end = ended(run.launch, None, "Refused", error.message)
                await self._calls.act(run, blocking_calls.FILES_S, run.present.folder.finish, end)
                self._refresh_soon(run)
                return
            self._put_off(run, error)
        except (OSError, TargetUnavailable) as error:
            self._put_off(run, error)
        else:
            run.trouble, run.failures = None, 0
            if not growing:
                created = AttemptStatus(Life.ALIVE, {"status": "Created", "created_ms": now_ms()})
                await self._report(run, observe(run.launch, created, self._here))

    def _put_off(self, run: Run, error: Exception) -> None:
        """Try again later, and keep the place in the queue."""
        run.trouble, run.failures = str(error), run.failures + 1
        until = time.monotonic() + run.pause_s()
        self._scheduler.request(run.launch.experiment_id, run.missing(), first=True, not_before=until)
        self._refresh_soon(run)
