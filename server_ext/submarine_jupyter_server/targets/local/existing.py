"""What there is on this machine, for who compares it with what should be."""

from __future__ import annotations

import functools
import logging
from collections.abc import Collection
from concurrent.futures import Future

from submarine_jupyter_server.targets import tombstones
from submarine_jupyter_server.targets.protocol import Found, Inventory, Launch, Observation

from .attempts.attempt_status import Life, inspect, observe, waiting
from .rundir.files import Unreadable
from .rundir.folders import ExperimentFolder, RunFolders
from .supervision.adoption import adopt
from .supervision.supervision import Supervision

log = logging.getLogger(__name__)


async def inventory(supervision: Supervision, runs: RunFolders, settled: Collection[str]) -> Inventory:
    """Return the experiments that have a run directory, but for those in ``settled``. Raises TargetUnavailable."""
    folders = await supervision.calls.io(runs.experiments)
    folders = [folder for folder in folders if folder.path.name not in settled]
    results = await supervision.calls.each(functools.partial(_find, supervision), folders)
    found, unknown = [], set()
    for folder, result in zip(folders, results, strict=True):
        if isinstance(result, Future | Exception):
            unknown.add(folder.path.name)
            why = "its file system does not answer" if isinstance(result, Future) else result
            log.warning("%s: nobody knows how it is: %s", folder.path.name, why)
        elif result is not None:
            found.append(result)
    return Inventory(tuple(found), unknown=frozenset(unknown))


def _find(supervision: Supervision, folder: ExperimentFolder) -> Found | None:
    """Return what a folder holds, None if nothing. Raises Unreadable for what decides nothing. Blocks."""
    launch = folder.read_launch()
    if launch is None:
        if adopt(folder) is not None:
            raise Unreadable(folder.path, "its record is missing")
        buried = Found(folder.path.name, None, deleted=True, observation=None, buried=True, authentic=True)
        return buried if tombstones.stands(folder.path) else None
    run = supervision.runs.get(launch.experiment_id)
    if run is not None and run.reported is not None and run.launch.attempt == launch.attempt:
        return _found(launch, folder, run.reported)
    status = inspect(folder.attempt(launch.attempt), supervision.here)
    if status.life is Life.UNREADABLE:
        raise Unreadable(folder.path, status.trouble)
    if status.life in (Life.UNSTARTED, Life.VANISHED):
        observation = waiting(launch, "Queued", "it is next")
    else:
        observation = observe(launch, status, supervision.here)
    return _found(launch, folder, observation)


def _found(launch: Launch, folder: ExperimentFolder, observation: Observation) -> Found:
    buried = folder.deleted
    return Found(launch.experiment_id, launch, buried, observation, buried=buried, authentic=True, whole=True)
