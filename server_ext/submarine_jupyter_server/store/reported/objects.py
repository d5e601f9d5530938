"""What targets have made for experiments: kept until these are purged, with a note of what is gone."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from submarine_jupyter_server.store.rows import FINAL_RANK, RANK
from submarine_jupyter_server.store.tables import experiment, made_object, outbox
from submarine_jupyter_server.targets.protocol import Made, ObjectRef

_OBJECT = tuple(made_object.c[name] for name in ObjectRef.__dataclass_fields__)
# Made once: to put a statement together takes as long as to carry it out.
_INSERT = insert(made_object)
_ROWS = (
    select(
        made_object.c.experiment_id,
        experiment.c.uid.label("intent"),
        made_object.c.attempt,
        made_object.c.generation,
        *_OBJECT,
    )
    .join(experiment, experiment.c.id == made_object.c.experiment_id)
    .order_by(made_object.c.experiment_id, made_object.c.position)
)
_OF = _ROWS.where(made_object.c.experiment_id == bindparam("of"))
_ERASE = delete(made_object).where(made_object.c.experiment_id == bindparam("of"))
_THERE = made_object.c.gone.is_(None)
_ENDED = [str(status) for status, rank in RANK.items() if rank >= FINAL_RANK]


def put(tx: Connection, made: Made) -> None:
    """Keep what was made for an experiment, in place of what was made before."""
    erase(tx, made.experiment_id)
    shared = {"experiment_id": made.experiment_id, "attempt": made.attempt, "generation": made.generation}
    rows = [
        shared | {"position": position} | {column.name: getattr(item, column.name) for column in _OBJECT}
        for position, item in enumerate(made.objects)
    ]
    if rows:
        tx.execute(_INSERT, rows)


def of(tx: Connection, experiment_id: str) -> Made | None:
    """Return what was made for an experiment, also if it is gone; None if nothing is known to be."""
    found = _read(tx.execute(_OF, {"of": experiment_id}))
    return found[0] if found else None


def all_of(tx: Connection, target: str) -> list[Made]:
    """Return what was made on a target and may still exist."""
    return _read(tx.execute(_ROWS.where(experiment.c.target == target, _THERE)))


def ended(tx: Connection, target: str) -> dict[str, str]:
    """Return the experiments that have ended, without an order under way, and may still have objects on a target.

    Each with the namespace of its own object.
    """
    own = select(made_object.c.experiment_id, made_object.c.namespace).where(made_object.c.position == 0, _THERE)
    over = experiment.c.status.in_(_ENDED) | experiment.c.deleted.is_not(None)
    found = own.join(experiment, experiment.c.id == made_object.c.experiment_id).where(
        experiment.c.target == target, over, made_object.c.experiment_id.not_in(select(outbox.c.experiment_id))
    )
    return {row.experiment_id: row.namespace for row in tx.execute(found)}


def lose(tx: Connection, experiment_id: str, at: int) -> None:
    """Note that what was made for an experiment was found to be gone, at Unix time in milliseconds."""
    tx.execute(update(made_object).where(made_object.c.experiment_id == experiment_id, _THERE).values(gone=at))


def erase(tx: Connection, experiment_id: str) -> None:
    """Forget what was made for an experiment."""
    tx.execute(_ERASE, {"of": experiment_id})


def _read(found: Iterable[Row[tuple[object, ...]]]) -> list[Made]:
    return [Made(*key, tuple(_ref(row) for row in group)) for key, group in groupby(found, key=_key)]


def _key(row: Row[tuple[object, ...]]) -> tuple[str, str, int, int]:
    return row.experiment_id, row.intent, row.attempt, row.generation


def _ref(row: Row[tuple[object, ...]]) -> ObjectRef:
    return ObjectRef(*(getattr(row, column.name) for column in _OBJECT))
