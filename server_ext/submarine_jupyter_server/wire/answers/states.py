"""The word that people see for how an experiment is, and the reason for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from submarine_jupyter.spec.vocabulary import Status

if TYPE_CHECKING:
    from submarine_jupyter_server.store.experiments import ListRow
    from submarine_jupyter_server.store.orders.outbox import OutboxRow

# It had its turn, or was about to, and is held back as a whole: nothing of it runs.
_HELD = {
    **dict.fromkeys(("Queued", "GroupFull"), "Queued"),
    **dict.fromkeys(("QueueStopped", "QueueTooSmall", "QueueUnfit", "NoQueue", "Deactivated", "Suspended"), "Waiting"),
}


def state_of(row: ListRow) -> str:
    """Return the word that people see; unlike the status it tells a stop from a failure, and a queue from a start."""
    return state_word(row.status, row.reason, stopping=row.stop_requested is not None)


def state_word(status: str, reason: str | None, *, stopping: bool) -> str:
    """Return the word that people see for a status and its reason; ``stopping``: a stop was asked for."""
    if status == Status.FAILED and reason == "Stopped":
        return "Stopped"
    if Status(status).final:
        return status
    if stopping:
        return "Stopping"
    if reason in _HELD:
        return _HELD[reason]
    if status == Status.ACCEPTED:
        return "Waiting"
    return "Starting" if status == Status.CREATED else status


def brief(row: ListRow, order: OutboxRow | None = None) -> dict[str, Any]:
    """Return how an experiment is, in few words; ``order`` is one that was given in vain."""
    known = {"state": state_of(row), "reason": row.reason, "message": row.message}
    # A stop that is done stays an order for a moment after the end was told.
    stands = order is not None and (order.op in ("delete", "purge") or not Status(row.status).final)
    if order is not None and stands and row.status != Status.ACCEPTED:
        known |= {"reason": order.last_reason, "message": order.last_error}
    return known
