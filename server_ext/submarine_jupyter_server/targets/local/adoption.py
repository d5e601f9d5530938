"""Take on what is on the disk already: experiments of a server before this one, also those whose record is spoilt."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter_server.targets.base import Launch

from .files import Json, Unreadable
from .run import AttemptRun, Run, older_than
from .rundir import ExperimentFolder


def adopt(folder: ExperimentFolder, uid: str | None = None) -> Run | None:
    """Return the run of an experiment as its folder tells it, None if there is none. Blocks.

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
    present = AttemptRun(launch, folder.attempt(launch.attempt))
    present.read_plan()
    older = older_than(launch, folder)
    return Run(present, folder, older, unreadable, deleted=folder.deleted, fresh=False)


def is_settled(folder: ExperimentFolder) -> bool:
    """Tell, without reading the spec, whether an experiment has ended and everybody knows. Blocks."""
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
