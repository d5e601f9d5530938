"""The compute target ``local``: the ComputeTarget protocol on this machine."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from typing import Self, TypeAlias, TypeVar

from submarine_jupyter.errors import TargetUnavailable
from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter.resources import quantity
from submarine_jupyter_server.config import ServiceConfig
from submarine_jupyter_server.targets.protocol import Absence, Doubt, Inventory, Launch, Made, Recall, Sink

from .adoption import adopt, take_on_all
from .attempts import planning
from .attempts.attempt_status import Life, inspect
from .attempts.inheritance import inherited
from .attempts.planning import Settings
from .blocking_calls import WORK_S
from .existing import inventory
from .machine import limits
from .machine.scheduler import Amount, Scheduler
from .report import obstacle
from .run import AttemptRun, Run, older_than, record
from .rundir.files import Json
from .rundir.folders import ExperimentFolder, RunFolders
from .shim.processes.identity import here
from .supervision import Supervision

log = logging.getLogger(__name__)
GRACE_S = 10.0
LOG_CAP = 1024**3
POLL_S = 0.05
DYING_S = 15.0  # how long after the grace time an attempt may take to be gone
T = TypeVar("T")
_Results: TypeAlias = list[tuple[str, T]]


class LocalTarget:
    """Runs replicas as processes of this machine, under one shim per attempt that survives the server.

    ``data_dir`` holds the run directories. ``cpus`` (cores) and ``memory`` (bytes) are what experiments may have in
    all; None takes what the machine or the container has. A replica without ``resources`` counts as one core.
    ``grace_s`` are the seconds between asking a process to end and killing it, ``log_cap`` the bytes kept of each
    replica's output. Replicas inherit ``environ`` without Jupyter's secrets; the folder of ``interpreter`` comes first
    in their PATH. ``namespaces`` are names that experiments may have with them; they mean nothing here.
    """

    kind = "local"

    def __init__(
        self,
        data_dir: Path,
        *,
        name: str = "local",
        cpus: float | None = None,
        memory: int | None = None,
        grace_s: float = GRACE_S,
        log_cap: int = LOG_CAP,
        environ: Mapping[str, str] | None = None,
        interpreter: str = sys.executable,
        namespaces: tuple[str, ...] = ("default",),
    ) -> None:
        self.name = name
        self.namespaces = namespaces
        self._runs = RunFolders(data_dir)
        cores = limits.cpus() if cpus is None else cpus
        self._capacity = Amount(int(cores * 1000), limits.memory() if memory is None else memory)
        self._settings = Settings(
            environ=inherited(os.environ if environ is None else environ, interpreter),
            grace_s=grace_s,
            log_cap=log_cap,
        )
        self._here = here(os.getpid())
        self._supervision = Supervision(self._runs, self._settings, Scheduler(self._capacity), self._here)

    @classmethod
    def from_config(cls, config: ServiceConfig) -> Self:
        """Return the target a server's configuration describes."""
        return cls(
            config.data_dir,
            cpus=config.local_cpus,
            memory=None if config.local_memory is None else int(quantity(config.local_memory)),
            grace_s=config.grace_seconds,
            log_cap=config.log_cap_bytes,
            namespaces=tuple(dict.fromkeys((config.namespace, *config.namespaces))),
        )

    def check(self, spec: ExperimentSpec) -> None:
        """Refuse what this machine can never run. Raises InvalidSpec."""
        planning.check(spec, self._capacity)

    def check_change(self, old: Launch, new: Launch) -> None:
        """Let it be: replicas can be added and taken away while it runs."""

    async def render(self, launch: Launch) -> list[dict[str, object]]:
        """Return the replicas as they would run; ports are examples."""
        attempt = self._runs.experiment(launch.experiment_id).attempt(launch.attempt)
        return await self._supervision.calls.io(planning.rendered, launch, attempt, self._settings)

    async def start(self, sink: Sink, doubt: Doubt, made: Collection[Made] = (), recall: Recall | None = None) -> None:
        """Begin to observe, and go on with everything that is there."""
        await self._supervision.calls.io(self._runs.create)
        await self._supervision.start(sink)
        await take_on_all(self._supervision, self._runs)

    async def ensure(self, launch: Launch) -> None:
        """Make it so. Raises TargetRefused where it cannot be, TargetUnavailable where it can be tried again."""
        while not await self._begin(launch):
            pass  # it ended while this order waited for its turn, and is begun anew

    async def _begin(self, launch: Launch) -> bool:
        key, runs = launch.experiment_id, self._supervision.runs
        run = runs.get(key)
        if run is None:
            folder = self._runs.experiment(key)
            run = runs[key] = Run(AttemptRun(launch, folder.attempt(launch.attempt)), folder)
        async with run.lock:
            if run.over:
                return False
            try:
                known = await self._record(run, launch)
            finally:
                if run.fresh and runs.get(key) is run:
                    del runs[key]
            runs[key] = run
        if known is not launch or run.older or run.present.plan is not None:
            await self._supervision.refresh(run)  # it may have ended long ago
        await self._supervision.ask(run)
        if (hindered := obstacle(run)) is not None:
            raise hindered
        return True

    async def _record(self, run: Run, launch: Launch) -> Launch:
        """Write down what is ordered, and take it up; return what counts. ``run.lock`` is held."""
        try:
            known = await self._supervision.calls.act(run, WORK_S, record, run.folder, launch)
            older = await self._supervision.calls.act(run, WORK_S, older_than, known, run.folder)
            run.turn_to(known, older)
            if run.present.plan is None:
                await self._supervision.calls.act(run, WORK_S, run.present.read_plan)
        except OSError as error:
            raise TargetUnavailable(f"the experiment cannot be written down: {error}") from error
        self._supervision.scheduler.hold(launch.experiment_id, run.held())
        return known

    async def stop(self, launch: Launch) -> None:
        """End all its attempts; what never started ends as well, also an attempt that was never heard of."""
        while not await self._stop(launch):
            pass  # it ended meanwhile: what this order is for may be a later attempt

    async def _stop(self, launch: Launch) -> bool:
        key, runs = launch.experiment_id, self._supervision.runs
        run = runs.get(key)
        if run is None:
            run = await self._supervision.calls.io(adopt, self._runs.experiment(key), launch.uid)
            if run is None:
                folder = self._runs.experiment(key)
                run = Run(AttemptRun(launch, folder.attempt(launch.attempt)), folder)
            run = self._adopt(run)
        async with run.lock:
            if run.over:
                return False
            if run.launch.uid != launch.uid:
                return True
            if run.fresh or (launch.attempt > run.launch.attempt and not run.unreadable):
                await self._record(run, launch)
        await self._supervision.stop(run, "Stopped", "it was stopped")
        return True

    def _adopt(self, run: Run) -> Run:
        """Take on a run, unless somebody else did meanwhile; return the one that counts."""
        known = self._supervision.runs.get(run.launch.experiment_id)
        if known is None:
            self._supervision.adopt(run)
        return known or run

    async def delete(self, experiment_id: str, uid: str) -> None:
        """Set the tombstone and end all its attempts."""
        folder = self._runs.experiment(experiment_id)
        run = self._supervision.runs.get(experiment_id)
        if run is None:
            run = await self._supervision.calls.io(adopt, folder, uid)
        if run is not None and run.launch.uid != uid:
            return
        # Also where nothing was begun: an older copy of the database may still hold the order to begin it.
        await self._supervision.calls.io(folder.bury)
        if run is None:
            return
        run = self._adopt(run)
        run.deleted = True
        await self._supervision.stop(run, "Deleted", "it was deleted")

    async def purge(self, experiment_id: str, uid: str) -> None:
        """Delete it, wait for its end, and remove its files. Raises TargetUnavailable if it does not end."""
        await self.delete(experiment_id, uid)
        folder = self._runs.experiment(experiment_id)
        left = await self._supervision.calls.io(adopt, folder, uid)
        if left is None or left.launch.uid != uid:
            return
        until = time.monotonic() + self._settings.grace_s + DYING_S
        while not await self._supervision.calls.io(_is_gone, folder, self._here):
            if time.monotonic() > until:
                raise TargetUnavailable(f"{experiment_id} does not end; its files stay")
            await asyncio.sleep(POLL_S)
        run = self._supervision.runs.get(experiment_id)
        if run is not None:
            await self._supervision.refresh(run)
        await self._supervision.calls.io(folder.remove)

    async def inventory(self, settled: Collection[str] = ()) -> Inventory:
        """Return the experiments that have a run directory, but for those in ``settled``. Raises TargetUnavailable."""
        return await inventory(self._supervision, self._runs, settled)

    async def absence(self, experiment_id: str) -> Absence:
        """Return that its files are gone, which nobody but a person removes."""
        return Absence("ExternallyDeleted", f"it is gone from target '{self.name}', and it was not us who deleted it")

    async def conclude(self, experiment_id: str, attempt: int) -> None:
        """Do nothing: the logs are gone with the other files."""

    def attend(self, experiment_id: str) -> AbstractAsyncContextManager[None]:
        """Do nothing: the shim writes every byte as it comes."""
        return nullcontext()

    async def capacity(self) -> dict[str, object]:
        """Return cores and bytes of memory: in all, taken, free; and who waits."""
        scheduler = self._supervision.scheduler
        used, free = scheduler.used, scheduler.capacity - scheduler.used
        return {
            "cpu": {
                "total": scheduler.capacity.cpu / 1000,
                "used": used.cpu / 1000,
                "free": free.cpu / 1000,
            },
            "memory": {"total": scheduler.capacity.memory, "used": used.memory, "free": free.memory},
            "running": sum(run.present.plan is not None for run in self._supervision.runs.values()),
            "queued": scheduler.queued,
        }

    def health(self) -> dict[str, object]:
        """Return that it is well: there is nothing between the server and its machine."""
        return {"ok": True}

    async def close(self) -> None:
        """Stop observing; what runs goes on."""
        await self._supervision.close()


def _is_gone(folder: ExperimentFolder, here: Json) -> bool:
    """Tell whether nothing of an experiment runs any more. Blocks."""
    over = (Life.ENDED, Life.UNSTARTED, Life.VANISHED)
    return all(inspect(attempt, here).life in over for attempt in folder.attempts())
