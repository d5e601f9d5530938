"""Bring the row of one experiment into line with what was found of it on a target, each in its own transaction.

Nothing of a record that others can have written (``Found.authentic``) reaches a row; how the objects are that were made
for an experiment does.
"""

from __future__ import annotations

import logging

from sqlalchemy import Connection

from submarine_jupyter.models import Status
from submarine_jupyter_server.control import groups, lifecycle
from submarine_jupyter_server.control.restoration import SetAside, restore
from submarine_jupyter_server.process.clock import now_ms
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.annotations.groups import waits
from submarine_jupyter_server.store.experiments import ExperimentRow
from submarine_jupyter_server.store.orders import changes, outbox
from submarine_jupyter_server.store.reported import events, objects, replicas
from submarine_jupyter_server.targets.protocol import Absence, ComputeTarget, Found, Launch, Made
from submarine_jupyter_server.wire.specs import stored

log = logging.getLogger(__name__)


def compare(tx: Connection, target: ComputeTarget, item: Found) -> int:
    """Bring the row of one experiment into line with what was found of it; return how many rows were written again.

    Raises SetAside for what cannot be compared.
    """
    row = experiments.find(tx, item.experiment_id, include_deleted=True)
    if row is None:
        return restore(tx, target, item)
    _check_same(row, target, item)
    if row.deleted is not None:
        # Who waits for an order that is under way waits for that one.
        if not item.deleted and outbox.pending(tx, row.id) is None:
            outbox.put(tx, row, "delete")
        return 0
    if item.buried:
        _bury(tx, row)
        return 0
    if item.authentic:
        _keep_made(tx, row, item)
        groups.begun(tx, row)
        row = row if Status(row.status).final else _catch_up(tx, row, item)
    if item.observation is not None and (item.authentic or item.observation.attempt <= row.attempt):
        lifecycle.apply(tx, item.observation)
        _stop(tx, row, item)
    return 0


def never_began(tx: Connection, row: ExperimentRow) -> bool:
    """Return whether the target has nothing of an experiment because it never made anything for it."""
    waits = row.status == Status.ACCEPTED and row.stop_requested is None
    return waits and not row.restored and objects.of(tx, row.id) is None


def end(tx: Connection, experiment_id: str, absence: Absence | None) -> None:
    """Act on it that an experiment is gone: give it again if it never began, else end it with the cause.

    Of what was made for it is noted that it is gone. Without an ``absence`` nothing is ended.
    """
    row = experiments.find(tx, experiment_id)
    if outbox.pending(tx, experiment_id) is not None or (row is not None and waits(tx, row.seq)):
        return
    if row is None or Status(row.status).final:
        objects.lose(tx, experiment_id, now_ms())
    elif never_began(tx, row):
        outbox.put(tx, row, "ensure")
    elif absence is not None:
        objects.lose(tx, experiment_id, now_ms())
        _fail(tx, row, absence)


def _check_same(row: ExperimentRow, target: ComputeTarget, item: Found) -> None:
    """Have nothing to do with a record of another experiment under the same id. Raises SetAside."""
    uids = {known.uid for known in (item.launch, item.observation) if known is not None}
    names = {known.experiment_id for known in (item.launch, item.observation) if known is not None}
    if row.target != target.name:
        raise SetAside(f"NameConflict: {row.id} is on target '{row.target}'; delete what has its name here")
    if uids - {row.uid} or names - {row.id}:
        raise SetAside(f"NameConflict: it is another experiment under this id; ours has the uid {row.uid}")


def _bury(tx: Connection, row: ExperimentRow) -> None:
    """Delete an experiment whose deletion the database does not know any more."""
    deleted = experiments.mark_deleted(tx, row.id, now_ms()) or row
    outbox.put(tx, deleted, "delete")
    lifecycle.report_deleted(tx, deleted)


def _keep_made(tx: Connection, row: ExperimentRow, item: Found) -> None:
    """Keep what was made later than the database knows, whether or not its row knows that it was ordered."""
    known = objects.of(tx, row.id)
    if item.made is not None and (known is None or _order(known) < _order(item.made)):
        objects.put(tx, item.made)


def _order(made: Made) -> tuple[int, int]:
    return made.attempt, made.generation


def _catch_up(tx: Connection, row: ExperimentRow, item: Found) -> ExperimentRow:
    """Take over what was ordered later than the database knows."""
    launch = item.launch
    if launch is None or not _is_newer(launch, row):
        return row
    texts = stored(launch.spec, row.id, restored=not item.whole)
    row = changes.take_over(
        tx, row, texts, generation=launch.generation, attempt=launch.attempt, restored=not item.whole
    )
    lifecycle.record(tx, row, "changed")
    log.warning("%s is at generation %d on target %s: its row was behind", row.id, row.generation, row.target)
    return row


def _is_newer(launch: Launch, row: ExperimentRow) -> bool:
    return launch.attempt >= row.attempt and launch.generation > row.generation


def _stop(tx: Connection, row: ExperimentRow, item: Found) -> None:
    """Make sure that what is to be stopped ends."""
    observation, now = item.observation, experiments.find(tx, row.id)
    if observation is None or now is None or now.stop_requested is None or Status(now.status).final:
        return
    if not (observation.status.final and observation.attempt < now.attempt):
        under_way = outbox.pending(tx, row.id)
        if under_way is None or under_way.op == "ensure":
            outbox.put(tx, now, "stop")
        return
    moved = experiments.advance(
        tx, now.id, uid=now.uid, attempt=now.attempt, status=Status.FAILED, at_ms=now_ms(),
        reason="Stopped", message="it was stopped before its new attempt began",
    )  # fmt: skip
    if moved is not None:
        lifecycle.record(tx, moved, "status")


def _fail(tx: Connection, row: ExperimentRow, absence: Absence) -> None:
    reason, message = absence.reason, absence.message
    if row.stop_requested is not None:
        reason, message = "Stopped", "it was stopped"
    elif (last := events.of(tx, row.id, limit=1)) and last[0].type == "refused":
        # What ran had been ended for the change that was then refused.
        reason, message = last[0].reason or reason, last[0].message or message
    moved = experiments.advance(
        tx, row.id, uid=row.uid, attempt=row.attempt, status=Status.FAILED, at_ms=now_ms(),
        reason=reason, message=message,
    )  # fmt: skip
    if moved is not None:
        replicas.end(tx, row.id, row.attempt, reason)
        lifecycle.record(tx, moved, "status")
