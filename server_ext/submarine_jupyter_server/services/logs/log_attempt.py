"""An attempt whose logs are read: who may, which logs there must be, and that they are as new as can be."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext

from sqlalchemy import Connection

from submarine_jupyter.errors import NotFound
from submarine_jupyter.models import Status
from submarine_jupyter_server.logs.archive import LogArchive
from submarine_jupyter_server.services import access
from submarine_jupyter_server.services.principal import Principal
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.experiments import ExperimentRow
from submarine_jupyter_server.store.reported import replicas
from submarine_jupyter_server.targets.protocol import ComputeTarget


def attended(targets: Mapping[str, ComputeTarget], row: ExperimentRow) -> AbstractAsyncContextManager[None]:
    """Have the target keep the logs of a running experiment as new as possible meanwhile."""
    target = targets.get(row.target)
    return nullcontext() if target is None or Status(row.status).final else target.attend(row.id)


def attempt_of(
    tx: Connection, principal: Principal, experiment_id: str, attempt: int | None
) -> tuple[ExperimentRow, list[str]]:
    """Return an experiment, and which replicas of an attempt (None: the latest) that is over have written a log."""
    row = access.find(tx, principal, experiment_id)
    if attempt is not None and attempt > row.attempt:
        raise NotFound(f"{experiment_id} has no attempt {attempt}: the latest is {row.attempt}.")
    return row, _wrote(tx, row, attempt or row.attempt)


def latest(tx: Connection, experiment_id: str) -> tuple[ExperimentRow | None, list[str]]:
    """Return the same of the latest attempt, whoever asks; None for an experiment that is not there."""
    row = experiments.find(tx, experiment_id)
    return row, [] if row is None else _wrote(tx, row, row.attempt)


def _wrote(tx: Connection, row: ExperimentRow, attempt: int) -> list[str]:
    if not Status(row.status).final and attempt == row.attempt:
        return []
    return [found.name for found in replicas.of(tx, row.id, attempt) if found.started_ms]


def removed(archive: LogArchive, experiment_id: str, attempt: int, wrote: Collection[str]) -> list[str]:
    """Return those who ``wrote`` a log that is not there any more."""
    there = {log.name for log in archive.replicas(experiment_id, attempt)} if wrote else set()
    return [name for name in wrote if name not in there]
