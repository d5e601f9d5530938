"""What experiments are found and sorted by beside their columns: parameters, and the last value of each metric.

A parameter is what the spec declares, or what the training code of the latest attempt has told since. A metric is the
value that was read last in the latest attempt, of whichever replica. A number is kept as a number, all else as text; of
a text it is known whether it is a truth value.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping

import sqlalchemy as sa
from sqlalchemy import Connection

from submarine_jupyter.params import declared
from submarine_jupyter_server.store.rows import ExperimentRow
from submarine_jupyter_server.store.tables import experiment, experiment_value, metric, param

PARAM, METRIC = "param", "metric"
LONGEST = 256
"""Of a longer text so many characters are kept."""

_INSERT = sa.insert(experiment_value)
_REMOVE = sa.delete(experiment_value).where(
    experiment_value.c.seq == sa.bindparam("of"),
    experiment_value.c.kind == sa.bindparam("as"),
    experiment_value.c.name == sa.bindparam("named"),
)


def begin(tx: Connection, seq: int, spec: str) -> None:
    """Keep what the spec of a new experiment declares."""
    _add(tx, seq, PARAM, declared(spec).items())


def renew(tx: Connection, row: ExperimentRow, *, anew: bool) -> None:
    """Keep what is true of an experiment whose spec has changed, or that is in another attempt (``anew``)."""
    where = (param.c.experiment_id == row.id, param.c.attempt == row.attempt)
    logged = {
        name: json.loads(value) for name, value in tx.execute(sa.select(param.c.name, param.c.value).where(*where))
    }
    _remove(tx, row.seq, PARAM)
    _add(tx, row.seq, PARAM, (declared(row.spec) | logged).items())
    if anew:
        _remove(tx, row.seq, METRIC)
        mine = (metric.c.experiment_id == row.id, metric.c.attempt == row.attempt)
        last = sa.select(sa.func.max(metric.c.seq)).where(*mine).group_by(metric.c.name)
        found = tx.execute(sa.select(metric.c.name, metric.c.value).where(metric.c.seq.in_(last)))
        _add(tx, row.seq, METRIC, ((one.name, one.value) for one in found))


def put(tx: Connection, seq: int, kind: str, values: Mapping[str, object]) -> None:
    """Keep newer values in place of those of the same names."""
    if values:
        tx.execute(_REMOVE, [{"of": seq, "as": kind, "named": name} for name in values])
        _add(tx, seq, kind, values.items())


def remove(tx: Connection, experiment_id: str) -> None:
    """Keep nothing of an experiment, nor what its training code has told."""
    of = sa.select(experiment.c.seq).where(experiment.c.id == experiment_id).scalar_subquery()
    tx.execute(sa.delete(experiment_value).where(experiment_value.c.seq == of))
    tx.execute(sa.delete(param).where(param.c.experiment_id == experiment_id))


def _remove(tx: Connection, seq: int, kind: str) -> None:
    tx.execute(sa.delete(experiment_value).where(experiment_value.c.seq == seq, experiment_value.c.kind == kind))


def _add(tx: Connection, seq: int, kind: str, values: Iterable[tuple[str, object]]) -> None:
    rows = [{"seq": seq, "kind": kind, "name": name, **_stored(value)} for name, value in values]
    if rows:
        tx.execute(_INSERT, rows)


def _stored(value: object) -> dict[str, object]:
    return _valued(value) | {"truth": isinstance(value, bool)}


def _valued(value: object) -> dict[str, object]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"number": float(value) if math.isfinite(value) else None, "text": None}
    text = value if isinstance(value, str) else None if value is None else json.dumps(value)
    return {"number": None, "text": None if text is None else text[:LONGEST]}
