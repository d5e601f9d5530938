"""How the end of an experiment is asked for, in one transaction: by one request for one experiment, or for many."""

from __future__ import annotations

from sqlalchemy import Connection

from submarine_jupyter.models import Status
from submarine_jupyter_server.process.clock import now_ms
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.experiments import ExperimentRow
from submarine_jupyter_server.store.orders import outbox
from submarine_jupyter_server.store.orders.outbox import OutboxRow
from submarine_jupyter_server.store.reported import events
from submarine_jupyter_server.store.rows import ListRow


def stop(tx: Connection, row: ListRow) -> tuple[OutboxRow, ExperimentRow] | None:
    """Order that an experiment ends and keeps its record; None for one that has ended."""
    if Status(row.status).final:
        return None
    asked = experiments.request_stop(tx, row.id, now_ms())
    if asked is None:
        return None
    order = outbox.put(tx, asked, "stop")
    events.append(tx, row.id, type="stop", status=asked.status, reason="Stopping", message="somebody asked for a stop")
    return order, asked


def delete(tx: Connection, row: ListRow, *, purge: bool) -> tuple[OutboxRow, ExperimentRow] | None:
    """Order that an experiment ends and leaves every list; None for one that is gone."""
    marked = experiments.mark_deleted(tx, row.id, now_ms())
    return None if marked is None else (outbox.put(tx, marked, "purge" if purge else "delete"), marked)
