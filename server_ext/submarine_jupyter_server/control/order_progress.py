"""What becomes of an order, in one transaction each: it was carried out, or it is put off and shown why."""

from __future__ import annotations

from sqlalchemy import Connection

from submarine_jupyter.models import Status
from submarine_jupyter_server.control import lifecycle
from submarine_jupyter_server.process.clock import now_ms
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.experiments import ExperimentRow
from submarine_jupyter_server.store.orders import changes, outbox
from submarine_jupyter_server.store.orders.outbox import OutboxRow
from submarine_jupyter_server.store.reported import events, objects
from submarine_jupyter_server.targets.protocol import Made


def carried_out(tx: Connection, order: OutboxRow, row: ExperimentRow | None, made: Made | None) -> None:
    """Note that an order was carried out for an experiment as it stood in ``row``, and what was ``made`` for it."""
    replaced = not outbox.done(tx, order.seq)
    if row is None:
        return
    if made is not None:
        objects.put(tx, made)
    if order.op == "ensure":
        changes.confirm(tx, order, row, replaced=replaced)
    elif order.op in ("delete", "purge"):
        objects.lose(tx, row.id, now_ms())
        lifecycle.report_deleted(tx, experiments.mark_deleted(tx, row.id, now_ms()) or row)
        if order.op == "purge":
            experiments.scrub(tx, row.id)
    if order.tried and (now := experiments.find(tx, row.id)) is not None and not Status(now.status).final:
        lifecycle.record(tx, now, "reason")  # what stood in the way of the order does so no more


def put_off(tx: Connection, order: OutboxRow, at: int, error: str, reason: str) -> None:
    """Put an order off, unless another one has replaced it, and show why."""
    if outbox.retry(tx, order.seq, at, error, reason):
        show(tx, order, error, reason)


def show(tx: Connection, order: OutboxRow, error: str, reason: str) -> None:
    """Show why an order is not carried out, for as long as the target reports nothing that is newer."""
    row = experiments.find(tx, order.experiment_id)
    if row is None or Status(row.status).final:
        return
    if row.status != Status.ACCEPTED:
        # What runs, runs: what its target reports stands in the row.
        events.append(tx, row.id, type="reason", status=row.status, reason=reason, message=error)
        return
    moved = experiments.advance(
        tx, row.id, uid=row.uid, attempt=row.attempt, status=row.status, at_ms=now_ms(),
        reason=reason, message=error,
    )  # fmt: skip
    if moved is not None:
        lifecycle.record(tx, moved, "reason")
