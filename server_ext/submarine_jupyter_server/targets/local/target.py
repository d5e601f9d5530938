"""The compute target ``local``: the ComputeTarget protocol on this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from typing import Any, Self

from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter.spec.resources import quantity
from submarine_jupyter_server.config import ServiceConfig
from submarine_jupyter_server.targets.protocol import Absence, Doubt, Forecast, Inventory, Launch, Made, Recall, Sink

from .attempts import planning
from .attempts.inheritance import inherited
from .attempts.planning import Settings
from .blocking.blocking_calls import BlockingCalls
from .endings import Endings
from .existing import inventory
from .machine import limits, turns
from .machine.scheduler import Amount, Scheduler
from .rundir.folders import RunFolders
from .shim.processes.identity import here
from .supervision.adoption import take_on_all
from .supervision.supervision import Supervision

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
        self._runs = RunFolders(data_dir)
        cores = limits.cpus() if cpus is None else cpus
        self._capacity = Amount(int(cores * 1000), limits.memory() if memory is None else memory)
        self._settings = Settings(
            environ=inherited(os.environ if environ is None else environ, interpreter),
            grace_s=grace_s,
            log_cap=log_cap,
        )
        self._calls = BlockingCalls(self._runs.path)
        scheduler = Scheduler(self._capacity)
        self._supervision = Supervision(self._runs, self._settings, scheduler, self._calls, here(os.getpid()))
        self._endings = Endings(self._runs, self._calls, self._supervision, grace_s)

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
        return await self._calls.io(planning.rendered, launch, attempt, self._settings)

    async def forecast(self, launch: Launch, capacity: Mapping[str, Any] | None = None) -> Forecast:
        """Return whether there is room for it now, behind all that waits."""
        if capacity is not None:
            return turns.elsewhere(launch.spec, capacity)
        return self._supervision.admission.forecast(launch.spec)

    def place(self, experiment_id: str) -> Forecast | None:
        """Return where an experiment waits for room; None if it does not wait."""
        return self._supervision.admission.place(experiment_id)

    async def start(self, sink: Sink, doubt: Doubt, made: Collection[Made] = (), recall: Recall | None = None) -> None:
        """Begin to observe, and go on with everything that is there."""
        await self._calls.io(self._runs.create)
        await self._supervision.start(sink)
        await take_on_all(self._supervision, self._runs)

    async def ensure(self, launch: Launch) -> None:
        """Make it so. Raises TargetRefused where it cannot be, TargetUnavailable where it can be tried again."""
        await self._supervision.apply(launch)

    async def stop(self, launch: Launch) -> None:
        """End all its attempts; what never started ends as well, also an attempt that was never heard of."""
        await self._endings.stop(launch)

    async def delete(self, experiment_id: str, uid: str) -> None:
        """Set the tombstone and end all its attempts."""
        await self._endings.delete(experiment_id, uid)

    async def purge(self, experiment_id: str, uid: str) -> None:
        """Delete it, wait for its end, and remove its files. Raises TargetUnavailable if it does not end."""
        await self._endings.purge(experiment_id, uid)

    async def inventory(self, settled: Collection[str] = ()) -> Inventory:
        """Return the experiments that have a run directory, but for those in ``settled``. Raises TargetUnavailable."""
        return await inventory(self._supervision, self._runs, settled)

    async def absence(self, experiment_id: str) -> Absence:
        """Return that its files are gone, which nobody but a person removes."""
        return Absence("ExternallyDeleted", f"it is gone from target '{self.name}': it was deleted outside Submarine")

    async def conclude(self, experiment_id: str, attempt: int) -> None:
        """Do nothing: the logs are gone with the other files."""

    def attend(self, experiment_id: str) -> AbstractAsyncContextManager[None]:
        """Do nothing: the shim writes every byte as it comes."""
        return nullcontext()

    async def capacity(self) -> dict[str, object]:
        """Return cores and bytes of memory: in all, taken, free; and who waits."""
        return self._supervision.admission.room()

    def health(self) -> dict[str, object]:
        """Return that it is well: there is nothing between the server and its machine."""
        return {"ok": True}

    async def close(self) -> None:
        """Stop observing; what runs goes on."""
        await self._supervision.close()
