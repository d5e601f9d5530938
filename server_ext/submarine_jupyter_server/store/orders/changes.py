"""Changes of a spec: stored before the target takes them, and taken back if it refuses.

``experiment.applied`` holds what the target has taken while a later change waits for its answer. What an attempt ran
stays readable in ``attempt_spec`` once the experiment shows something else.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from submarine_jupyter.models import Status
from submarine_jupyter_server.store.annotations import groups, origins, searchable, tags
from submarine_jupyter_server.store.engine.space import require_space
from submarine_jupyter_server.store.rows import FINAL_RANK, MOST_NOTES, RANK, ExperimentRow, by_id, by_seq
from submarine_jupyter_server.store.tables import attempt_spec, experiment
from submarine_jupyter_server.store.tables.dialect import insert_or_keep

from . import outbox
from .outbox import OutboxRow

_APPLIED = ("spec", "attempt", "generation", "status", "reason", "message", "created", "running")
_CONFIRM = (
    sa.update(experiment)
    .where(experiment.c.id == sa.bindparam("of"), experiment.c.generation == sa.bindparam("at"))
    .values(applied=None)
)


@dataclass(frozen=True, slots=True)
class SpecTexts:
    """A spec as it is stored: whole, as it may be shown, as a list shows it (None: the same), and its columns.

    ``replicas`` is how many it asks for.
    """

    spec: str
    wire_spec: str
    list_spec: str | None
    name: str
    namespace: str
    framework: str
    tags: Sequence[str]
    replicas: int = 0

    def columns(self) -> dict[str, Any]:
        """Return the values of the experiment's own columns."""
        names = ("spec", "wire_spec", "list_spec", "name", "namespace", "framework", "replicas")
        return {name: getattr(self, name) for name in names}


def replace_spec(tx: Connection, row: ExperimentRow, texts: SpecTexts, *, new_attempt: bool) -> ExperimentRow:
    """Give an experiment another spec and the next generation. Raises StorageFull.

    A new attempt is Accepted again, neither created nor running; an experiment that has ended stays so. The target has
    yet to take the change of one that lives: what it has taken is kept.
    """
    require_space(tx)
    ended = RANK[row.status] >= FINAL_RANK
    values = texts.columns() | {"generation": row.generation + 1}
    if ended or new_attempt:
        _keep_what_ran(tx, row)
    given = outbox.pending(tx, row.id) is None and not groups.waits(tx, row.seq)
    known = row.status != Status.ACCEPTED or given
    if not ended and not row.restored and row.applied is None and known:
        values["applied"] = json.dumps({name: getattr(row, name) for name in _APPLIED})
    if new_attempt and not ended:
        values |= {"attempt": row.attempt + 1, "status": Status.ACCEPTED.value, "notes": "[]"}
        values |= dict.fromkeys(("created", "running", "reason", "message"))
    tags.replace(tx, row.seq, texts.tags)
    return _changed(tx, row, values)


def confirm(tx: Connection, order: OutboxRow, row: ExperimentRow, *, replaced: bool) -> None:
    """Note that the target has taken ``order``, given for the experiment as it stood in ``row``.

    ``replaced``: a later change has been ordered meanwhile.
    """
    if order.generation == 1 and not replaced:
        return
    tx.execute(_CONFIRM, {"of": row.id, "at": order.generation})
    now = by_id(tx, row.id)
    if now is not None and now.generation > order.generation and RANK[now.status] < FINAL_RANK:
        taken = json.dumps({name: getattr(row, name) for name in _APPLIED})
        tx.execute(sa.update(experiment).where(experiment.c.seq == row.seq).values(applied=taken))


def take_back(tx: Connection, row: ExperimentRow, texts: SpecTexts, *, reason: str, message: str) -> ExperimentRow:
    """Return to what the target has taken, whose ``texts`` these are: under a new generation, with why."""
    taken = json.loads(row.applied or "{}")
    notes = json.dumps([*row.notes, message][-MOST_NOTES:])
    values = texts.columns() | {"generation": row.generation + 1, "applied": None, "notes": notes}
    values |= {"reason": reason, "message": message}
    if taken["attempt"] < row.attempt:
        values |= {name: taken[name] for name in ("attempt", "status", "created", "running")}
    tags.replace(tx, row.seq, texts.tags)
    return _changed(tx, row, values)


def take_over(
    tx: Connection, row: ExperimentRow, texts: SpecTexts, *, generation: int, attempt: int, restored: bool
) -> ExperimentRow:
    """Give the row of a database that is behind what the target knows: its newer spec, generation and attempt.

    ``restored``: that spec has neither secret values nor code.
    """
    values = texts.columns() | {"generation": generation, "applied": None, "restored": restored}
    if attempt > row.attempt:
        values |= {"attempt": attempt, "status": Status.ACCEPTED.value, "notes": "[]"}
        values |= dict.fromkeys(("created", "running", "finished", "reason", "message"))
    tags.replace(tx, row.seq, texts.tags)
    return _changed(tx, row, values)


def ran(tx: Connection, experiment_id: str, attempt: int) -> str | None:
    """Return the masked spec that an attempt ran; None where that is what the experiment shows."""
    where = (attempt_spec.c.experiment_id == experiment_id, attempt_spec.c.attempt == attempt)
    return tx.execute(sa.select(attempt_spec.c.wire_spec).where(*where)).scalar()


def _keep_what_ran(tx: Connection, row: ExperimentRow) -> None:
    ran = {"experiment_id": row.id, "attempt": row.attempt, "wire_spec": row.wire_spec}
    tx.execute(insert_or_keep(attempt_spec), ran)


def _changed(tx: Connection, row: ExperimentRow, values: dict[str, Any]) -> ExperimentRow:
    tx.execute(sa.update(experiment).where(experiment.c.seq == row.seq).values(values))
    changed = by_seq(tx, row.seq)
    origins.renew(tx, changed.seq, changed.spec)
    groups.renew(tx, changed)
    searchable.renew(tx, changed, anew=changed.attempt != row.attempt)
    return changed
