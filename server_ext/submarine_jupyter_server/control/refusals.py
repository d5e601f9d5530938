"""What a refusal by the target means: it ends what it refuses, and nothing else.

a new experiment     it ends as Failed with the reason; that is the answer to its key, unless it was accepted before
a change             it is taken back: what the target has taken stands again
a stop               it is given again until the target takes it
a deletion           the same; the experiment comes back into the lists, unless its deletion was reported

A right that is missing refuses only who still waits for the answer: what was acknowledged is given again.
"""

from __future__ import annotations

import json
from enum import Enum, auto

from sqlalchemy import Connection

from submarine_jupyter.errors import Conflict, InvalidSpec, SubmarineError, TargetRefused
from submarine_jupyter.models import ExperimentSpec, Status
from submarine_jupyter_server.control import lifecycle
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.experiments import ExperimentRow
from submarine_jupyter_server.store.orders import changes, idempotency, outbox
from submarine_jupyter_server.store.orders.outbox import OutboxRow
from submarine_jupyter_server.store.reported import events
from submarine_jupyter_server.wire.specs import stored

Refusal = TargetRefused | InvalidSpec | Conflict
_CLASSES: dict[str, type[SubmarineError]] = {each.__name__: each for each in (TargetRefused, InvalidSpec, Conflict)}
# The rights of a server come and go: what was acknowledged is done when they are there.
_PASSING = ("NoPermission",)


class Outcome(Enum):
    """What became of a refused order."""

    REPLACED = auto()  # a later order decides, or it has ended
    FAILED = auto()
    FAILED_LATE = auto()  # after it was acknowledged
    TAKEN_BACK = auto()
    BROUGHT_BACK = auto()
    KEPT = auto()  # nothing had changed, nothing changes
    AGAIN = auto()


def apply(tx: Connection, order: OutboxRow, error: Refusal, *, now: int, waited: bool) -> Outcome:
    """Store what a refusal of ``order`` means, and return it; ``waited``: whoever gave it may still be waiting."""
    pending = outbox.pending(tx, order.experiment_id)
    row = experiments.find(tx, order.experiment_id, include_deleted=True)
    if row is None or pending is None or pending.seq != order.seq:
        return Outcome.REPLACED
    if order.op != "ensure":
        return _bring_back(tx, row) if row.deleted is not None else Outcome.AGAIN
    lives = row.deleted is None and not Status(row.status).final
    if lives and not waited and reason_of(error) in _PASSING:
        return Outcome.AGAIN
    if lives and row.applied is None and row.status == Status.ACCEPTED:
        return _fail(tx, row, order, error, now)
    outbox.done(tx, order.seq)
    if not lives:
        return Outcome.REPLACED
    if row.applied is None:
        _note(tx, row, error)
        return Outcome.KEPT
    return _take_back(tx, row, error)


def reason_of(error: SubmarineError) -> str:
    """Return one CamelCase word for a refusal."""
    return getattr(error, "reason", "Refused")


def named(error: Refusal, experiment_id: str) -> SubmarineError:
    """Return what the POST of a refused experiment is answered with: its record stays, so it has a name."""
    return type(error)(f"{error.message}; {experiment_id} is kept as Failed", hint=error.hint)


def going_on(error: Refusal) -> SubmarineError:
    """Return what the DELETE of an experiment is answered with that is back in the lists: it is not forgotten."""
    return type(error)(f"{error.message}; the experiment will be deleted as soon as possible", hint=error.hint)


def answer_of(refusal: str) -> SubmarineError:
    """Return the error that a stored refusal was answered with."""
    known = json.loads(refusal)
    return _CLASSES[known["type"]](known["message"], hint=known["hint"])


def _bring_back(tx: Connection, row: ExperimentRow) -> Outcome:
    if lifecycle.is_deletion_reported(tx, row.id):
        return Outcome.AGAIN
    experiments.bring_back(tx, row.id, tuple(json.loads(row.wire_spec)["meta"]["tags"]))
    return Outcome.BROUGHT_BACK


def _fail(tx: Connection, row: ExperimentRow, order: OutboxRow, error: Refusal, now: int) -> Outcome:
    outbox.done(tx, order.seq)
    if order.tried:
        outbox.put(tx, row, "stop")  # an earlier try may have begun it, and the answer was lost
    moved = experiments.advance(
        tx, row.id, uid=row.uid, attempt=row.attempt, status=Status.FAILED, at_ms=now,
        reason=reason_of(error), message=error.message,
    )  # fmt: skip
    if moved is not None:
        lifecycle.record(tx, moved, "status")
    answer = named(error, row.id)
    kept = {"type": type(answer).__name__, "message": answer.message, "hint": answer.hint}
    return Outcome.FAILED if idempotency.refuse(tx, row.id, json.dumps(kept)) else Outcome.FAILED_LATE


def _take_back(tx: Connection, row: ExperimentRow, error: Refusal) -> Outcome:
    taken = json.loads(row.applied or "{}")
    texts = stored(ExperimentSpec.parse(json.loads(taken["spec"])), row.id)
    message = f"the target refused a change, and the server undid it: {error.message}"
    back = changes.take_back(tx, row, texts, reason=reason_of(error), message=message)
    lifecycle.record(tx, back, "refused")
    if back.attempt == row.attempt:
        outbox.put(tx, back, "ensure")  # a part of it may have been done
    return Outcome.TAKEN_BACK


def _note(tx: Connection, row: ExperimentRow, error: Refusal) -> None:
    events.append(
        tx, row.id, type="refused", status=row.status, reason=reason_of(error), message=error.message,
    )  # fmt: skip
