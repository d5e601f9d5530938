"""The compute target ``local``: the ComputeTarget protocol on this machine."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from typing import Self, TypeAlias, TypeVar

from submarine_jupyter.errors import TargetUnavailable
from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter.resources import quantity
from submarine_jupyter_server.config import ServiceConfig
from submarine_jupyter_server.targets.base import Doubt, Found, Inventory, Launch, Observation, Sink

from . import machine, planning
from .adoption import adopt, is_settled
from .files import Json, Unreadable
from .inheritance import inherited
from .planning import Settings
from .report import obstacle
from .run import AttemptRun, Run, older_than, record
from .rundir import ExperimentFolder, Runs
from .scheduler import Amount, Scheduler
from .shim.identity import here
from .sight import Life, inspect, observe, waiting
from .supervision import WORK_S, Supervision

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
        self._runs = Runs(data_dir)
        cores = machine.cpus() if cpus is None else cpus
        self._capacity = Amount(int(cores * 1000), machine.memory() if memory is None else memory)
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
        return await self._supervision.io(planning.rendered, launch, attempt, self._settings)

    async def start(self, sink: Sink, doubt: Doubt) -> None:
        """Begin to observe, and go on with everything that is there."""
        await self._supervision.io(self._runs.create)
        await self._supervision.start(sink)
        folders = await self._supervision.io(self._runs.experiments)
        found = [run for _, run in await self._each(_unfinished, folders) if run is not None]
        found = [run for run in found if run.launch.experiment_id not in self._supervision.runs]
        found.sort(key=lambda run: (run.launch.accepted_ms, run.launch.experiment_id))
        for run in found:
            self._supervision.adopt(run)
        for run in found:
            await self._supervision.resume(run)

    async def _each(self, function: Callable[[ExperimentFolder], T], folders: list[ExperimentFolder]) -> _Results[T]:
        """Return what ``function`` finds for each folder; what cannot be read is logged, and left out."""
        found = []
        for folder, result in zip(folders, await self._supervision.each(function, folders), strict=True):
            if isinstance(result, Future):
                log.error("%s is left alone: its file system does not answer", folder.path)
            elif isinstance(result, Exception):
                log.error("%s is left alone: %s", folder.path, result)
            else:
                found.append((folder.path.name, result))
        return found

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
            known = await self._supervision.act(run, WORK_S, record, run.folder, launch)
            older = await self._supervision.act(run, WORK_S, older_than, known, run.folder)
            run.turn_to(known, older)
            if run.present.plan is None:
                await self._supervision.act(run, WORK_S, run.present.read_plan)
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
            run = await self._supervision.io(adopt, self._runs.experiment(key), launch.uid)
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
            run = await self._supervision.io(adopt, folder, uid)
        if run is None or run.launch.uid != uid:
            return
        await self._supervision.io(folder.bury)
        run = self._adopt(run)
        run.deleted = True
        await self._supervision.stop(run, "Deleted", "it was deleted")

    async def purge(self, experiment_id: str, uid: str) -> None:
        """Delete it, wait for its end, and remove its files. Raises TargetUnavailable if it does not end."""
        await self.delete(experiment_id, uid)
        folder = self._runs.experiment(experiment_id)
        left = await self._supervision.io(adopt, folder, uid)
        if left is None or left.launch.uid != uid:
            return
        until = time.monotonic() + self._settings.grace_s + DYING_S
        while not await self._supervision.io(_is_gone, folder, self._here):
            if time.monotonic() > until:
                raise TargetUnavailable(f"{experiment_id} does not end; its files stay")
            await asyncio.sleep(POLL_S)
        run = self._supervision.runs.get(experiment_id)
        if run is not None:
            await self._supervision.refresh(run)
        await self._supervision.io(folder.remove)

    async def inventory(self, settled: Collection[str] = ()) -> Inventory:
        """Return the experiments that have a run directory, but for those in ``settled``. Raises TargetUnavailable."""
        folders = await self._supervision.io(self._runs.experiments)
        folders = [folder for folder in folders if folder.path.name not in settled]
        results = dict(await self._each(self._find, folders))
        found = tuple(item for item in results.values() if item is not None)
        # A folder without a record is one whose record is just being made, or one that nothing was made of.
        known = {item.experiment_id for item in found} | {key for key, item in results.items() if item is None}
        unknown = frozenset(folder.path.name for folder in folders) - known
        return Inventory(found, unknown=unknown)

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

    def _find(self, folder: ExperimentFolder) -> Found | None:
        """Return what a folder holds, None if nothing. Raises Unreadable for what decides nothing. Blocks."""
        launch = folder.read_launch()
        if launch is None:
            if adopt(folder) is not None:
                raise Unreadable(folder.path, "its record is missing")
            return None
        run = self._supervision.runs.get(launch.experiment_id)
        if run is not None and run.told is not None and run.launch.attempt == launch.attempt:
            return _found(launch, folder, run.told)
        sight = inspect(folder.attempt(launch.attempt), self._here)
        if sight.life is Life.UNREADABLE:
            raise Unreadable(folder.path, sight.trouble)
        if sight.life in (Life.UNSTARTED, Life.VANISHED):
            seen = waiting(launch, "Queued", "it is next")
        else:
            seen = observe(launch, sight, self._here)
        return _found(launch, folder, seen)


def _found(launch: Launch, folder: ExperimentFolder, seen: Observation) -> Found:
    buried = folder.deleted
    return Found(launch.experiment_id, launch, buried, seen, buried=buried, authentic=True)


def _unfinished(folder: ExperimentFolder) -> Run | None:
    """Return what has not ended, and what ended while nobody was there to be told. Blocks."""
    return None if is_settled(folder) else adopt(folder)


def _is_gone(folder: ExperimentFolder, here: Json) -> bool:
    """Tell whether nothing of an experiment runs any more. Blocks."""
    over = (Life.ENDED, Life.UNSTARTED, Life.VANISHED)
    return all(inspect(attempt, here).life in over for attempt in folder.attempts())
