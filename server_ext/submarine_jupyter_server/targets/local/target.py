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
from typing import Self

from submarine_jupyter.errors import SubmarineError, TargetUnavailable
from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter.resources import quantity
from submarine_jupyter_server.config import ServiceConfig
from submarine_jupyter_server.targets.base import Doubt, Found, Inventory, Launch, Observation, Sink

from . import machine, planning
from .planning import Settings
from .run import DYING_S, POLL_S, Run, gone, record
from .rundir import ExperimentFolder, Runs
from .scheduler import Amount, Scheduler
from .shim.identity import here
from .sight import Life, look, observe, waiting
from .supervision import Supervision

log = logging.getLogger(__name__)
GRACE_S = 10.0
LOG_CAP = 1024**3


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
            environ=planning.inherited(os.environ if environ is None else environ, interpreter),
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
        return planning.rendered(launch, attempt, self._settings)

    async def start(self, sink: Sink, doubt: Doubt) -> None:
        """Begin to observe, and go on with everything that is there."""
        await self._supervision.io(self._runs.create)
        await self._supervision.start(sink)
        found = await self._supervision.io(self._unfinished)
        found = [run for run in found if run.launch.experiment_id not in self._supervision.runs]
        found.sort(key=lambda run: (run.launch.accepted_ms, run.launch.experiment_id))
        for run in found:
            self._supervision.adopt(run)
        for run in found:
            await self._supervision.resume(run)

    async def ensure(self, launch: Launch) -> None:
        """Make it so. Raises TargetRefused where it cannot be, TargetUnavailable where it can be tried again."""
        key, runs = launch.experiment_id, self._supervision.runs
        run = runs.get(key)
        if run is None:
            run = runs[key] = Run(launch, self._runs.experiment(key))
        async with run.lock:
            try:
                known, plan = await self._supervision.io(record, run.folder, launch)
            except OSError as error:
                raise TargetUnavailable(f"the experiment cannot be written down: {error}") from error
            finally:
                if run.fresh and runs.get(key) is run:
                    del runs[key]
            if known.attempt > run.launch.attempt:
                self._supervision.scheduler.hold(key, Amount())  # the old one is ended before the new one starts
            run.turn_to(known, plan)
            if not run.over:
                runs[key] = run
        if known is not launch or plan is not None:
            await self._supervision.look_at(run)  # it may have ended long ago
        await self._supervision.ask(run)
        if run.trouble is not None and not run.over:
            raise TargetUnavailable(run.trouble, reason="CannotStart")

    async def stop(self, launch: Launch) -> None:
        """End it; what never started ends as well."""
        run = self._supervision.runs.get(launch.experiment_id)
        if run is None:
            folder = self._runs.experiment(launch.experiment_id)
            known = await self._supervision.io(folder.read_launch)
            if known is None:
                await self._supervision.io(folder.write_launch, launch)
            elif known.uid != launch.uid:
                return
            run = await self._supervision.io(_run_of, folder, known or launch)
            self._supervision.adopt(run)
        await self._supervision.stop(run, "Stopped", "it was stopped")

    async def delete(self, experiment_id: str, uid: str) -> None:
        """Set the tombstone and end it."""
        folder = self._runs.experiment(experiment_id)
        launch = await self._supervision.io(folder.read_launch)
        if launch is None or launch.uid != uid:
            return
        await self._supervision.io(folder.bury)
        run = self._supervision.runs.get(experiment_id)
        if run is None:
            run = await self._supervision.io(_run_of, folder, launch)
            self._supervision.adopt(run)
        run.deleted = True
        await self._supervision.stop(run, "Deleted", "it was deleted")

    async def purge(self, experiment_id: str, uid: str) -> None:
        """Delete it, wait for its end, and remove its files. Raises TargetUnavailable if it does not end."""
        await self.delete(experiment_id, uid)
        folder = self._runs.experiment(experiment_id)
        launch = await self._supervision.io(folder.read_launch)
        if launch is None or launch.uid != uid:
            return
        until = time.monotonic() + self._settings.grace_s + DYING_S
        while not await self._supervision.io(gone, folder, self._here):
            if time.monotonic() > until:
                raise TargetUnavailable(f"{experiment_id} does not end; its files stay")
            await asyncio.sleep(POLL_S)
        run = self._supervision.runs.get(experiment_id)
        if run is not None:
            await self._supervision.look_at(run)
        await self._supervision.io(folder.remove)

    async def inventory(self, settled: Collection[str] = ()) -> Inventory:
        """Return the experiments that have a run directory, but for those in ``settled``."""
        return Inventory(tuple(await self._supervision.io(self._found, settled)))

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
            "running": sum(run.plan is not None for run in self._supervision.runs.values()),
            "queued": scheduler.queued,
        }

    def health(self) -> dict[str, object]:
        """Return that it is well: there is nothing between the server and its machine."""
        return {"ok": True}

    async def close(self) -> None:
        """Stop observing; what runs goes on."""
        await self._supervision.close()

    def _unfinished(self) -> list[Run]:
        """Return what has not ended, and what ended while nobody was there to be told. Blocks."""
        found = []
        for folder in self._runs.experiments():
            try:
                launch = None if _is_settled(folder) else folder.read_launch()
                if launch is not None:
                    found.append(_run_of(folder, launch))
            except (SubmarineError, OSError, TypeError, KeyError) as error:
                log.error("%s is left alone: %s", folder.path, error)
        return found

    def _found(self, settled: Collection[str]) -> list[Found]:
        found = []
        for folder in self._runs.experiments():
            if folder.path.name in settled:
                continue
            try:
                launch = folder.read_launch()
                if launch is not None:
                    found.append(self._find(folder, launch))
            except (SubmarineError, OSError, TypeError, KeyError) as error:
                log.error("%s is left alone: %s", folder.path, error)
        return found

    def _find(self, folder: ExperimentFolder, launch: Launch) -> Found:
        run = self._supervision.runs.get(launch.experiment_id)
        if run is not None and run.told is not None and run.launch.attempt == launch.attempt:
            return _report(launch, folder, run.told)
        sight = look(folder.attempt(launch.attempt), self._here)
        if sight.life in (Life.UNSTARTED, Life.VANISHED):
            seen = waiting(launch, "Queued", "it is next")
        else:
            seen = observe(launch, sight, self._here)
        return _report(launch, folder, seen)


def _report(launch: Launch, folder: ExperimentFolder, seen: Observation) -> Found:
    buried = folder.deleted
    return Found(launch.experiment_id, launch, buried, seen, buried=buried, authentic=True)


def _run_of(folder: ExperimentFolder, launch: Launch) -> Run:
    plan = folder.attempt(launch.attempt).read("plan.json")
    return Run(launch, folder, plan=plan, deleted=folder.deleted, fresh=False)


def _is_settled(folder: ExperimentFolder) -> bool:
    """Tell, without reading the spec, whether an experiment has ended and everybody knows."""
    newest = folder.attempts()[-1:]
    return (
        all(attempt.has("exit.json") and (attempt.has("seen") or folder.deleted) for attempt in newest) and newest != []
    )
