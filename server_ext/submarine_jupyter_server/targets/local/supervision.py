"""Keep the experiments of this machine going: who may start, how each is, and telling it to whoever wants to know.

Everything that touches files or processes runs in threads, for each experiment one call at a time, so that one whose
files hang holds up no other. A shim names its attempt in a FIFO when something changed; once a second the pulse of each
attempt is felt anyway, so nothing depends on that.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import ParamSpec

from submarine_jupyter.errors import TargetRefused, TargetUnavailable
from submarine_jupyter_server.clock import now_ms
from submarine_jupyter_server.targets.protocol import Observation, Sink
from submarine_jupyter_server.targets.replicas import members

from . import blocking_calls
from . import run as acts
from .attempts import launcher
from .attempts.attempt_status import AttemptStatus, Life, ended, observe, pulse
from .attempts.planning import Settings
from .blocking_calls import BlockingCalls
from .blocking_threads import finished
from .machine.port_leases import PortLeases
from .machine.scheduler import Amount, Scheduler
from .news import News
from .report import report, steps
from .run import AttemptRun, Run
from .rundir.files import Json, Unreadable
from .rundir.folders import RunFolders
from .settling import settle
from .tasks import Tasks, safely

log = logging.getLogger(__name__)
TICK_S = 1.0
CLOSE_S = 2.0
RESUMED_AT_ONCE = 16  # one that hangs keeps its place for a while
P = ParamSpec("P")


class Supervision:
    """The experiments that have not ended, by id."""

    def __init__(self, runs: RunFolders, settings: Settings, scheduler: Scheduler, here: Json) -> None:
        self.runs: dict[str, Run] = {}
        self.scheduler = scheduler
        self.here = here
        self.calls = BlockingCalls(runs.path)
        self._folders = runs
        self._settings = settings
        self._ports = PortLeases()
        self._sink: Sink | None = None
        self.tasks = Tasks()
        self._refreshing: set[str] = set()
        self._news = News(self._heard)
        self._felt_at = time.monotonic()
        self._queue_reported = -1
        self._busy = asyncio.Event()

    async def start(self, sink: Sink) -> None:
        """Begin to look; observations go to ``sink``, or from now on to another one."""
        again, self._sink = self._sink is not None, sink
        if again:
            return
        self._news.listen(await self.calls.io(self._folders.listen))
        self.tasks.spawn(self._watch())

    async def close(self) -> None:
        """Stop looking; a call that hangs is left behind."""
        self._news.close()
        await self.tasks.close()
        until = time.monotonic() + CLOSE_S
        for run in self.runs.values():
            if run.busy is not None:
                await finished(run.busy, max(until - time.monotonic(), 0.0))
        self._ports.close()

    def adopt(self, run: Run) -> None:
        """Take on an experiment that is there already."""
        key = run.launch.experiment_id
        self.runs[key] = run
        for attempt in run.attempts:
            if attempt.plan is not None:
                self._ports.adopt(key, [port for item in attempt.plan["replicas"] for port in item["ports"]])
        self.scheduler.hold(key, run.held())
        self._busy.set()

    async def ask(self, run: Run) -> None:
        """Have an experiment get what it should have: less at once, more when there is room."""
        self._busy.set()
        async with run.lock:
            await self._request(run)
        begun = self._admit().get(run.launch.experiment_id)
        if begun is not None:
            # Once begun, it is done to the end, also when whoever asked for it does not wait any more.
            await asyncio.shield(begun)

    async def _request(self, run: Run, *, first: bool = False) -> None:
        if run.over or run.stopping or run.deleted or run.older or run.unreadable or run.present.damage:
            return
        wanted = {member.name for member in members(run.launch.spec)}
        if run.present.plan is not None and run.present.planned - wanted:
            await self.calls.act(run, blocking_calls.WORK_S, acts.rescale, run, self._settings, self._ports, grow=False)
        if wanted - run.present.planned:
            self.scheduler.request(run.launch.experiment_id, run.missing(), first=first)
        else:
            self.scheduler.withdraw(run.launch.experiment_id)

    def _admit(self) -> dict[str, asyncio.Task[None]]:
        """Start what there is room for."""
        begun = {}
        for key in self.scheduler.admit(time.monotonic()):
            if (run := self.runs.get(key)) is not None:
                run.granted = run.missing()
                begun[key] = self.tasks.spawn(safely(self._grant, run))
        return begun

    async def resume(self, runs: Sequence[Run]) -> None:
        """Go on with experiments that were adopted, in the order in which they were accepted."""
        gate = asyncio.Semaphore(RESUMED_AT_ONCE)

        async def one(run: Run) -> None:
            async with gate:
                if run.deleted:
                    await safely(self.stop, run, "Deleted", "it was deleted")
                else:
                    await safely(self.refresh, run)

        await asyncio.gather(*map(one, runs))
        for run in runs:
            await safely(self.ask, run)

    async def stop(self, run: Run, reason: str, message: str) -> None:
        """End all attempts of an experiment; what has not started never will."""
        async with run.lock:
            self.scheduler.withdraw(run.launch.experiment_id)
            for attempt in run.attempts:
                try:
                    await self.calls.act(
                        run, blocking_calls.FILES_S, acts.order_end, attempt, reason, message, self._settings.grace_s
                    )
                except FileNotFoundError:
                    pass  # its files were removed, and it ends by itself
                except OSError as error:
                    raise TargetUnavailable(f"it cannot be stopped now: {error}") from error
        await self.refresh(run)

    async def refresh(self, run: Run) -> None:
        """See how an experiment is, tell it if it changed, and do what is to be done."""
        async with run.lock:
            if run.over or run.fresh:
                return
            run.failed = True
            try:
                await self._refresh(run)
            except TargetUnavailable as error:
                await self._report(run, report(run, self.here, None, (error.reason, str(error))))
                raise
            run.failed = False

    async def _refresh(self, run: Run) -> None:
        key, replaced = run.launch.experiment_id, bool(run.older)
        for attempt in list(run.older):
            await self._settle(run, attempt)
            if attempt.over:
                run.older.remove(attempt)
        present = run.present
        if not run.older and (present.plan is not None or present.stop is not None or not self.scheduler.waits(key)):
            await self._settle(run, present)
        if present.status.life is Life.VANISHED and not run.older:
            log.warning("the files of %s are gone", key)
            self._forget(run)
            return
        self.scheduler.hold(key, run.held())
        if (present.status.state or {}).get("running_ms"):
            self._ports.held_elsewhere(key)
        if replaced and not run.older:
            await self._request(run, first=True)  # it goes on with what its older attempt had
            self._admit()
        await self._report(
            run, report(run, self.here, self.scheduler.why_waiting(key) if self.scheduler.waits(key) else None)
        )
        if present.over and not run.older:
            with contextlib.suppress(OSError, Unreadable):
                await self.calls.act(run, blocking_calls.FILES_S, acts.close, run)
            self._forget(run)

    async def _settle(self, run: Run, attempt: AttemptRun) -> None:
        await self.calls.act(run, blocking_calls.FILES_S, settle, attempt, self.here, self._settings.grace_s)

    async def _grant(self, run: Run) -> None:
        async with run.lock:
            try:
                if not (run.over or run.stopping or run.deleted or run.older):
                    await self._give(run)
            finally:
                run.granted = Amount()
                if not run.over:
                    self.scheduler.hold(run.launch.experiment_id, run.held())

    async def _give(self, run: Run) -> None:
        """Start or enlarge an experiment that may take what it asked for."""
        growing = run.present.plan is not None
        work = (run, self._settings, self._ports)
        try:
            if growing:
                await self.calls.act(run, blocking_calls.WORK_S, acts.rescale, *work, grow=True)
            else:
                await self.calls.act(run, blocking_calls.WORK_S, acts.begin, *work)
        except TargetRefused as error:
            if not growing:
                end = ended(run.launch, None, "Refused", error.message)
                await self.calls.act(run, blocking_calls.FILES_S, run.present.folder.finish, end)
                self._refresh_soon(run)
                return
            self._put_off(run, error)
        except (OSError, TargetUnavailable) as error:
            self._put_off(run, error)
        else:
            run.trouble, run.failures = None, 0
            if not growing:
                created = AttemptStatus(Life.ALIVE, {"status": "Created", "created_ms": now_ms()})
                await self._report(run, observe(run.launch, created, self.here))

    def _put_off(self, run: Run, error: Exception) -> None:
        """Try again later, and keep the place in the queue."""
        run.trouble, run.failures = str(error), run.failures + 1
        until = time.monotonic() + run.pause_s()
        self.scheduler.request(run.launch.experiment_id, run.missing(), first=True, not_before=until)
        self._refresh_soon(run)

    async def _report(self, run: Run, observation: Observation) -> None:
        """Give an observation to the sink unless it says nothing new."""
        if self._sink is None or run.deleted:
            return
        for step in steps(run.reported, observation):
            await self._sink(step)
        run.reported = observation

    def _forget(self, run: Run) -> None:
        key = run.launch.experiment_id
        run.over = True
        self.scheduler.withdraw(key)
        self.scheduler.hold(key, Amount())
        self._ports.release(key)
        if self.runs.get(key) is run:
            del self.runs[key]
        self._admit()

    def _heard(self, key: str) -> None:
        if (run := self.runs.get(key)) is not None:
            self._refresh_soon(run)

    def _refresh_soon(self, run: Run) -> None:
        key = run.launch.experiment_id
        if key not in self._refreshing:
            self._refreshing.add(key)
            self.tasks.spawn(self._refresh_once(run, key))

    async def _refresh_once(self, run: Run, key: str) -> None:
        # News that come from here on may tell more than the look below sees.
        self._refreshing.discard(key)
        await safely(self.refresh, run)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            if not launcher.reap() and not self.runs:
                # Nothing can change until there is something again.
                self._busy.clear()
                await self._busy.wait()
                self._felt_at = time.monotonic()
                continue
            await safely(self._feel)
            self._admit()
            self._report_queue()

    async def _feel(self) -> None:
        """Feel the pulse of every attempt, and look at the experiments that have news."""
        waiting = self.scheduler.waits
        watched = [
            (run, attempt)
            for key, run in self.runs.items()
            if not run.occupied and not (waiting(key) and run.present.plan is None and not run.older)
            for attempt in run.attempts
        ]
        pulses = await self.calls.each(lambda pair: pulse(pair[1].folder), watched)
        interval_s, self._felt_at = time.monotonic() - self._felt_at, time.monotonic()
        for (run, attempt), felt in zip(watched, pulses, strict=True):
            if isinstance(felt, Future):
                run.busy = run.busy if run.occupied else felt  # type: ignore[assignment]
            if isinstance(felt, Future | Exception) or attempt.feel(felt, interval_s) or run.failed:
                self._refresh_soon(run)

    def _report_queue(self) -> None:
        """Tell those who wait when their place, or what they wait for, has changed."""
        if self._queue_reported == self.scheduler.changes:
            return
        self._queue_reported = self.scheduler.changes
        for key in self.scheduler.queued:
            run = self.runs.get(key)
            if run is None or run.present.plan is not None:
                continue
            if run.reported is None or self.scheduler.why_waiting(key) != run.reported.message:
                self._refresh_soon(run)
