"""How far attempts are, as they said last."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import Connection, select

from submarine_jupyter_server.metrics.progress.reports import Report
from submarine_jupyter_server.store.engine.space import require_space
from submarine_jupyter_server.store.rows import Among
from submarine_jupyter_server.store.tables import experiment, progress
from submarine_jupyter_server.store.tables.dialect import insert_or_replace

_SHOWN = tuple(progress.c[name] for name in Report.__dataclass_fields__)
# Made once: to put a statement together takes as long as to carry it out.
_PUT, _ONE = insert_or_replace(progress), select(*_SHOWN)


def put(tx: Connection, experiment_id: str, attempt: int, report: Report) -> None:
    """Keep how far an attempt is, in place of what it said before. Raises StorageFull."""
    require_space(tx)
    tx.execute(_PUT, {"experiment_id": experiment_id, "attempt": attempt, **asdict(report)})


def of(tx: Connection, experiment_id: str, attempt: int) -> Report | None:
    """Return how far an attempt is, None where it has not said."""
    where = (progress.c.experiment_id == experiment_id, progress.c.attempt == attempt)
    found = tx.execute(_ONE.where(*where)).first()
    return None if found is None else Report(*found)


def of_some(tx: Connection, among: Among) -> dict[str, Report]:
    """Return how far the present attempts of experiments are, by id; those that have not said are left out."""
    found = select(progress.c.experiment_id, *_SHOWN).join(experiment, experiment.c.id == progress.c.experiment_id)
    rows = tx.execute(found.where(progress.c.attempt == experiment.c.attempt, among(experiment.c.seq)))
    return {experiment_id: Report(*values) for experiment_id, *values in rows}
