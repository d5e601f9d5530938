"""Keep the experiments of this machine going: how each is, what is to be done, and reporting it to the server.

Everything that touches files or processes runs in threads, for each experiment one call at a time, so that one whose
files hang holds up no other. A shim names its attempt in a FIFO when something changed; once a second the pulse of each
attempt is felt anyway, so nothing depends on that.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from concurrent.futures import Future
from typing import ParamSpec

from submarine_jupyter.errors import TargetUnavailable
from submarine_jupyter_server.targets.local import run as acts
from submarine_jupyter_server.targets.local.attempts import launcher
from submarine_jupyter_server.targets.local.attempts.attempt_status import Life, pulse
from submarine_jupyter_server.targets.local.attempts.planning import Settings
from submarine_jupyter_server.targets.local.blocking import blocking_calls
from submarine_jupyter_server.targets.local.blocking.blocking_calls import BlockingCalls
from submarine_jupyter_server.targets.local.blocking.blocking_threads import finished
from submarine_jupyter_server.targets.local.machine.scheduler import FAR_BACK, SHOWN_POSITIONS, Scheduler
from submarine_jupyter_server.targets.local.run import AttemptRun, Run
from submarine_jupyter_server.targets.local.rundir.files import Json, Unreadable
from submarine_jupyter_server.targets.local.rundir.folders import ExperimentFolder, RunFolders
from submarine_jupyter_server.targets.protocol import Launch, Observation, Sink

from .admission import Admission
from .news import News
from .report import obstacle, report, steps
from .settling import settle
from .tasks import Tasks, safely

log = logging.getLogger(__name__)
TICK_S = 1.0
CLOSE_S = 2.0
P = ParamSpec("P")


class Supervision:
    """The experiments that have not ended, by id."""

    def __init__(
        self, folders: RunFolders, settings: Settings, scheduler: Scheduler, calls: BlockingCalls, here: Json
    ) -> None:
        self.runs: dict[str, Run] = {}
        self.here = here
        self.calls = calls
        self.tasks = Tasks()
        self.admission = Admission(
            self.runs, scheduler, settings, calls, self.tasks, here, self._report, self._refresh_soon
        )
        self._folders = folders
        self._settings = settings
        self._sink: Sink | None = None
        self._refreshing: set[str] = set()
        self._news = News(self._heard)
        self._felt_at = time.monotonic()
        self._queue_reported = -1
        self._busy = asyncio.Event()

    async def start(self, sink: Sink) -> None:
        """Begin to observe; observations go to ``sink``, or from now on to another one."""
        again, self._sink = self._sink is not None, sink
        if again:
            return
        self._news.listen(await self.calls.io(self._folders.listen))
        self.tasks.spawn(self._watch())

    async def close(self) -> None:
        """Stop observing; a call that hangs is left behind."""
        self._news.close()
        await self.tasks.close()
        until = time.monotonic() + CLOSE_S
        for run in self.runs.values():
            if run.busy is not None:
                await finished(run.busy, max(until - time.monotonic(), 0.0))
        self.admission.close()

    def find(self, key: str) -> Run | None:
        """Return an experiment that has not ended, None if none of that id is known."""
        return self.runs.get(key)

    def adopt(self, run: Run) -> Run:
        """Take on an experiment that is there already, unless somebody else did; return the one that counts."""
        key = run.launch.experiment_id
        if (known := self.runs.get(key)) is not None:
            return known
        self.runs[key] = run
        self.admission.adopt(run)
        self._busy.set()
        return run

    async def apply(self, launch: Launch) -> None:
        """Make it so: begin an experiment, scale it, or replace an older attempt.

        Raises TargetRefused where it cannot be, TargetUnavailable where it can be tried again.
        """
        while (run := await self._take_up(launch)) is None:
            pass  # it ended while this order waited for its turn, and is begun anew
        await self.ask(run)
        if (hindered := obstacle(run)) is not None:
            raise hindered

    async def _take_up(self, launch: Launch) -> Run | None:
        """Write down what is ordered and turn to it; return None where the experiment has ended meanwhile."""
        key, runs = launch.experiment_id, self.runs
        run = runs.get(key)
        if run is None:
            folder = self._folders.experiment(key)
            run = runs[key] = Run(AttemptRun(launch, folder.attempt(launch.attempt)), folder)
        async with run.lock:
            if run.over:
                return None
            try:
                known = await self._record(run, launch)
            finally:
                if run.fresh and runs.get(key) is run:
                    del runs[key]
            runs[key] = run
        if known is not launch or run.older or run.present.plan is not None:
            await self.refresh(run)  # it may have ended long ago
        return run

    async def _record(self, run: Run, launch: Launch) -> Launch:
        """Write down what is ordered, and turn to it; return what counts. ``run.lock`` is held."""
        try:
            known, older, present = await self.calls.act(run, blocking_calls.WORK_S, _recorded, run.folder, launch)
            run.turn_to(known, older, present)
            if run.present is not present and run.present.plan is None:
                await self.calls.act(run, blocking_calls.WORK_S, run.present.read_plan)
        except OSError as error:
            raise TargetUnavailable(f"the files of the experiment cannot be written: {error}") from error
        self.admission.hold(run)
        return known

    async def end(self, run: Run, launch: Launch) -> bool:
        """End all attempts of an experiment up to that of ``launch``; return False where it has ended meanwhile."""
        async with run.lock:
            if run.over:
                return False
            if run.launch.uid != launch.uid:
                return True
            if run.fresh or (launch.attempt > run.launch.attempt and not run.unreadable):
                await self._record(run, launch)
        await self.stop(run, "Stopped", "it was stopped")
        return True

    async def ask(self, run: Run) -> None:
        """Have an experiment get what it should have: less at once, more when there is room."""
        self._busy.set()
        async with run.lock:
            await self.admission.request(run)
        begun = self.admission.admit().get(run.launch.experiment_id)
        if begun is not None:
            # Once begun, it is done to the end, also when whoever asked for it does not wait any more.
            await asyncio.shield(begun)

    async def stop(self, run: Run, reason: str, message: str) -> None:
        """End all attempts of an experiment; what has not started never will."""
        async with run.lock:
            self.admission.withdraw(run.launch.experiment_id)
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
        """Inspect an experiment, report it if it changed, and do what has to be done."""
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
        if not run.older and (present.plan is not None or present.stop is not None or not self.admission.waits(key)):
            await self._settle(run, present)
        if present.status.life is Life.VANISHED and not run.older:
            log.warning("the files of %s are gone", key)
            self._forget(run)
            return
        self.admission.hold(run)
        if (present.status.state or {}).get("running_ms"):
            self.admission.ports_in_use(key)
        if replaced and not run.older:
            await self.admission.request(run, first=True)  # it goes on with what its older attempt had
            self.admission.admit()
        await self._report(run, report(run, self.here, self.admission.why_waiting(key)))
        if present.over and not run.older:
            with contextlib.suppress(OSError, Unreadable):
                await self.calls.act(run, blocking_calls.FILES_S, acts.close, run)
            self._forget(run)

    async def _settle(self, run: Run, attempt: AttemptRun) -> None:
        await self.calls.act(run, blocking_calls.FILES_S, settle, attempt, self.here, self._settings.grace_s)

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
        self.admission.release(key)
        if self.runs.get(key) is run:
            del self.runs[key]
        self.admission.admit()

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
            self.admission.admit()
            self._report_queue()

    async def _feel(self) -> None:
        """Feel the pulse of every attempt, and inspect the experiments that have news."""
        waiting = self.admission.waits
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
        """Notify those who wait when their place, or what they wait for, has changed."""
        if self._queue_reported == self.admission.changes:
            return
        self._queue_reported = self.admission.changes
        for place, key in enumerate(self.admission.queued):
            run = self.runs.get(key)
            if run is None or run.present.plan is not None:
                continue
            if run.reported is None:
                self._refresh_soon(run)
            elif place >= SHOWN_POSITIONS and run.reported.message == FAR_BACK:
                continue  # for thousands that wait this is all that there is to say
            elif self.admission.why_waiting(key) != run.reported.message:
                self._refresh_soon(run)


def _recorded(folder: ExperimentFolder, launch: Launch) -> tuple[Launch, list[AttemptRun], AttemptRun]:
    """Write down what is ordered; return what counts, with its attempts as they are on disk. Blocks."""
    known = acts.record(folder, launch)
    return known, *acts.on_disk(known, folder)
