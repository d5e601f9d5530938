"""Take on what is on the disk already: experiments of a server before this one, also those whose record is spoilt."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import Future

from submarine_jupyter.backoff import Backoff
from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter_server.targets.local.run import Run, on_disk
from submarine_jupyter_server.targets.local.rundir.files import Json, Unreadable
from submarine_jupyter_server.targets.local.rundir.folders import ExperimentFolder, RunFolders
from submarine_jupyter_server.targets.protocol import Launch

from .supervision import Supervision
from .tasks import safely

log = logging.getLogger(__name__)
RESUMED_AT_ONCE = 16  # one that hangs keeps its place for a while
FIRST_PAUSE_S, LAST_PAUSE_S = 2.0, 60.0


def adopt(folder: ExperimentFolder, uid: str | None = None) -> Run | None:
    """Return the run of an experiment as its folder describes it, None if there is none. Blocks.

    Where the record of what was ordered cannot be read, the other files have to do: it can be observed and ended then,
    but not changed. Raises Unreadable if not even its ``uid`` is to be found there, unless it is given.
    """
    unreadable = None
    try:
        launch = folder.read_launch()
        if launch is None and any(True for _ in _records(folder)):
            raise Unreadable(folder.path / "experiment.json", "it is missing")
    except Unreadable as error:
        launch, unreadable = _salvage(folder, uid), str(error)
        if launch is None:
            raise
    if launch is None:
        return None
    older, present = on_disk(launch, folder)
    return Run(present, folder, older, unreadable, deleted=folder.deleted, fresh=False)


async def take_on_all(supervision: Supervision, runs: RunFolders) -> None:
    """Take on all experiments that have not ended, or of whose end nobody knows; later what now cannot be read."""
    left = await _take_on(supervision, await supervision.calls.io(runs.experiments))
    if left:
        supervision.tasks.spawn(_take_on_later(supervision, left))


async def _take_on_later(supervision: Supervision, left: list[ExperimentFolder]) -> None:
    backoff = Backoff(FIRST_PAUSE_S, LAST_PAUSE_S)
    while left:
        await asyncio.sleep(backoff.failed())
        left = await _take_on(supervision, left)


async def _take_on(supervision: Supervision, folders: list[ExperimentFolder]) -> list[ExperimentFolder]:
    """Take on what has not ended; return what could not be read."""
    found, left = [], []
    for folder, result in zip(folders, await supervision.calls.each(_unfinished, folders), strict=True):
        if isinstance(result, Future | Exception):
            left.append(folder)
            why = "its file system does not answer" if isinstance(result, Future) else result
            log.error("%s cannot be taken on yet: %s", folder.path.name, why)
        elif result is not None and folder.path.name not in supervision.runs:
            found.append(result)
    found.sort(key=lambda run: (run.launch.accepted_ms, run.launch.experiment_id))
    for run in found:
        supervision.adopt(run)
    await _resume(supervision, found)
    return left


async def _resume(supervision: Supervision, runs: Sequence[Run]) -> None:
    """Go on with experiments that were adopted, in the order in which they were accepted."""
    gate = asyncio.Semaphore(RESUMED_AT_ONCE)

    async def one(run: Run) -> None:
        async with gate:
            if run.deleted:
                await safely(supervision.stop, run, "Deleted", "it was deleted")
            else:
                await safely(supervision.refresh, run)

    await asyncio.gather(*map(one, runs))
    for run in runs:
        await safely(supervision.ask, run)


def _unfinished(folder: ExperimentFolder) -> Run | None:
    """Return what has not ended, and what ended while no server was there. Blocks."""
    return None if is_settled(folder) else adopt(folder)


def is_settled(folder: ExperimentFolder) -> bool:
    """Determine, without reading the spec, whether an experiment has ended and everybody knows. Blocks."""
    attempts = folder.attempts()
    return (
        attempts != []
        and all(attempt.has("exit.json") for attempt in attempts)
        and (attempts[-1].has("seen") or folder.deleted)
    )


def _records(folder: ExperimentFolder) -> Iterator[Json]:
    """Yield what can be read of the attempts, newest first."""
    for attempt in reversed(folder.attempts()):
        for name in ("plan.json", "state.json", "exit.json"):
            with contextlib.suppress(Unreadable):
                if (data := attempt.read(name)) is not None:
                    yield data


def _salvage(folder: ExperimentFolder, uid: str | None) -> Launch | None:
    """Return as much of the launch as is needed to observe and to end an experiment."""
    data: Json = next(_records(folder), {})
    attempts = [attempt.number for attempt in folder.attempts()]
    uid = uid or data.get("uid")
    if uid is None:
        return None
    workers = sum(replica["role"] == "Worker" for replica in data.get("replicas", []))
    meta = {"name": "unreadable", "framework": "Standalone", "cmd": "true"}
    return Launch(
        experiment_id=folder.path.name,
        uid=uid,
        owner="",
        name="unreadable",
        spec=ExperimentSpec.parse({"meta": meta, "spec": {"Worker": {"replicas": max(workers, 1)}}}),
        attempt=max(attempts, default=1),
        generation=data.get("generation", 1),
        accepted_ms=data.get("created_ms") or 0,
    )
