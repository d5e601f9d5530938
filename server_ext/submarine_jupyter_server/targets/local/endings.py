"""End experiments of this machine: stop them, delete them, remove their files."""

from __future__ import annotations

import asyncio
import time

from submarine_jupyter.errors import TargetUnavailable
from submarine_jupyter_server.targets.protocol import Launch

from .attempts.attempt_status import Life, inspect
from .blocking.blocking_calls import BlockingCalls
from .run import AttemptRun, Run
from .rundir.files import Json
from .rundir.folders import ExperimentFolder, RunFolders
from .supervision.adoption import adopt
from .supervision.supervision import Supervision

POLL_S = 0.05
DYING_S = 15.0  # how long after the grace time an attempt may take to be gone


class Endings:
    """Ends what the supervision knows, or else the disk, or nobody yet: an order to begin may still be on its way."""

    def __init__(self, folders: RunFolders, calls: BlockingCalls, supervision: Supervision, grace_s: float) -> None:
        self._folders = folders
        self._calls = calls
        self._supervision = supervision
        self._grace_s = grace_s

    async def stop(self, launch: Launch) -> None:
        """End all its attempts; what never started ends as well, also an attempt that was never heard of."""
        folder = self._folders.experiment(launch.experiment_id)
        while True:
            run = await self._known(folder, launch.uid)
            if run is None:
                run = self._supervision.adopt(Run(AttemptRun(launch, folder.attempt(launch.attempt)), folder))
            if await self._supervision.end(run, launch):
                return
            # It ended meanwhile: what this order is for may be a later attempt.

    async def delete(self, experiment_id: str, uid: str) -> None:
        """Set the tombstone and end all its attempts."""
        folder = self._folders.experiment(experiment_id)
        run = self._supervision.find(experiment_id) or await self._calls.io(adopt, folder, uid)
        if run is not None and run.launch.uid != uid:
            return
        # Also where nothing was begun: an older copy of the database may still hold the order to begin it.
        await self._calls.io(folder.bury)
        if run is None:
            return
        run = self._supervision.adopt(run)
        run.deleted = True
        await self._supervision.stop(run, "Deleted", "it was deleted")

    async def purge(self, experiment_id: str, uid: str) -> None:
        """Delete it, wait for its end, and remove its files. Raises TargetUnavailable if it does not end."""
        await self.delete(experiment_id, uid)
        folder = self._folders.experiment(experiment_id)
        left = await self._calls.io(adopt, folder, uid)
        if left is None or left.launch.uid != uid:
            return
        until = time.monotonic() + self._grace_s + DYING_S
        while not await self._calls.io(_is_gone, folder, self._supervision.here):
            if time.monotonic() > until:
                raise TargetUnavailable(f"{experiment_id} does not end; its files stay")
            await asyncio.sleep(POLL_S)
        if (run := self._supervision.find(experiment_id)) is not None:
            await self._supervision.refresh(run)
        await self._calls.io(folder.remove)

    async def _known(self, folder: ExperimentFolder, uid: str) -> Run | None:
        """Return an experiment as it is supervised, or taken on from the disk; None where nothing is known of it."""
        known = self._supervision.find(folder.path.name)
        if known is not None:
            return known
        found = await self._calls.io(adopt, folder, uid)
        return None if found is None else self._supervision.adopt(found)


def _is_gone(folder: ExperimentFolder, here: Json) -> bool:
    """Return whether nothing of an experiment runs any more. Blocks."""
    over = (Life.ENDED, Life.UNSTARTED, Life.VANISHED)
    return all(inspect(attempt, here).life in over for attempt in folder.attempts())
