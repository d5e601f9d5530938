"""The life of an experiment: what a target saw becomes its status, once and in order.

Every observation passes a compare-and-set (``experiments.advance``): a final status never changes, an older attempt or
another uid counts for nothing, a status never goes back. So a late or repeated observation is harmless.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from sqlalchemy import Connection

from submarine_jupyter.models import Status
from submarine_jupyter_server.process.failpoints import reach
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.annotations import row_changes
from submarine_jupyter_server.store.engine.database import Database
from submarine_jupyter_server.store.experiments import ExperimentRow
from submarine_jupyter_server.store.reported import events, replicas
from submarine_jupyter_server.targets.protocol import Observation

log = logging.getLogger(__name__)


class Lifecycle:
    """Applies observations; ``ending`` is awaited before an end is reported, ``moved`` after each change of status."""

    def __init__(
        self,
        db: Database,
        ending: Callable[[Observation], Awaitable[None]],
        moved: Callable[[ExperimentRow], Awaitable[None]],
    ) -> None:
        self._db = db
        self._ending = ending
        self._moved = moved

    async def observe(self, observation: Observation) -> None:
        """Store what a target saw."""
        if observation.status.final:
            await self._ending(observation)
        reach("observation_before")
        before, after = await self._db.write(lambda tx: apply(tx, observation))
        reach("observation_after")
        if after is not None and before is not None and after.status != before.status:
            log.info("%s is %s%s", after.id, after.status, f" ({after.reason})" if after.reason else "")
            await self._moved(after)


def apply(tx: Connection, observation: Observation) -> tuple[ExperimentRow | None, ExperimentRow | None]:
    """Apply one observation in a transaction; return the row before and after, None where nothing changed."""
    before = experiments.find(tx, observation.experiment_id, include_deleted=True)
    if before is None or before.uid != observation.uid or before.attempt > observation.attempt:
        return before, None
    # What was seen before the end may be reported after it: its replicas do not run again.
    late = before.attempt == observation.attempt and Status(before.status).final and not observation.status.final
    reported = (observation.experiment_id, observation.attempt, observation.replicas)
    moved = bool(observation.replicas) and not late and replicas.upsert(tx, *reported)
    after = experiments.advance(
        tx,
        observation.experiment_id,
        uid=observation.uid,
        attempt=observation.attempt,
        status=observation.status,
        at_ms=observation.at_ms,
        created_ms=observation.created_ms,
        running_ms=observation.running_ms,
        finished_ms=observation.finished_ms,
        reason=observation.reason,
        message=observation.message,
        notes=observation.notes,
        known=before,
    )
    if after is not None and (after.status, after.reason, after.message) != (
        before.status,
        before.reason,
        before.message,
    ):
        record(tx, after, "status" if after.status != before.status else "reason")
    elif moved:
        row_changes.touch(tx, before.id)
    return before, after


def record(tx: Connection, row: ExperimentRow, type_: str) -> None:
    """Append the event that reports to listeners how ``row`` is now."""
    status = Status.DELETED if row.deleted is not None else row.status
    events.append(tx, row.id, type=type_, status=status, reason=row.reason, message=row.message)


def report_deleted(tx: Connection, row: ExperimentRow) -> None:
    """Notify listeners, once, that an experiment is deleted."""
    if not is_deletion_reported(tx, row.id):
        record(tx, row, "deleted")


def is_deletion_reported(tx: Connection, experiment_id: str) -> bool:
    """Return whether somebody may have an answer that says that an experiment is deleted."""
    last = events.of(tx, experiment_id, limit=1)
    return bool(last) and last[0].status == Status.DELETED
