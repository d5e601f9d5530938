"""Experiments as a list shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select
from sqlalchemy.sql.elements import ColumnElement

from submarine_jupyter_server.metrics.progress.reports import Report
from submarine_jupyter_server.store.annotations import groups, origins, progress, searchable, shown
from submarine_jupyter_server.store.annotations.housekeeping import Noted
from submarine_jupyter_server.store.orders import outbox
from submarine_jupyter_server.store.orders.outbox import OutboxRow
from submarine_jupyter_server.store.rows import SLIM, Among, ListRow, listed
from submarine_jupyter_server.store.tables import (
    experiment,
    experiment_tag,
    housekeeping,
    replica,
)
from submarine_jupyter_server.store.tables import outbox as outbox_table

# So many values a statement may have everywhere.
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Summary:
    """One experiment; ``ready`` counts the replicas of its attempt that run.

    Parameters and last values of metrics are JSON objects: the first of each, by name.
    """

    row: ListRow
    tags: tuple[str, ...]
    params: str
    metrics: str
    ready: int
    order: OutboxRow | None
    noted: Noted | None
    origin: dict[str, str] | None
    group: str | None
    progress: Report | None = None


def page(tx: Connection, owner: str | None, before: int | None, limit: int) -> list[Summary]:
    """Return the newest experiments that are not deleted, of one owner or of all, accepted before number ``before``."""
    where: list[ColumnElement[bool]] = [experiment.c.deleted.is_(None)]
    where += [] if owner is None else [experiment.c.owner == owner]
    where += [] if before is None else [experiment.c.seq < before]
    found = tx.execute(select(*SLIM).where(*where).order_by(experiment.c.seq.desc()).limit(limit))
    rows = [listed(row) for row in found]
    if owner is not None or not rows:
        return _summaries(tx, rows, _these(rows))
    # By a range: to name each of a thousand numbers takes longer than to read what lies between them.
    return _summaries(tx, rows, lambda seq: seq.between(rows[-1].seq, rows[0].seq))


def of(tx: Connection, ids: Sequence[str]) -> list[Summary]:
    """Return some experiments, those that are deleted among them."""
    found: list[Summary] = []
    for begin in range(0, len(ids), _AT_ONCE):
        some = tx.execute(select(*SLIM).where(experiment.c.id.in_(ids[begin : begin + _AT_ONCE])))
        rows = [listed(row) for row in some]
        found += _summaries(tx, rows, _these(rows))
    return found


def _summaries(tx: Connection, rows: list[ListRow], among: Among) -> list[Summary]:
    orders, running, tags = _orders(tx, among), _running(tx, among), _tags(tx, among)
    values, noted, named = shown.of(tx, among), _noted(tx, among), origins.of(tx, among)
    grouped = groups.of(tx, among)
    moving = progress.of_some(tx, among)
    found = []
    for row in rows:
        ready = running.get((row.id, row.attempt), 0)
        params, metrics = (values.get((row.seq, kind), "{}") for kind in (searchable.PARAM, searchable.METRIC))
        labels, order = tuple(tags.get(row.seq, ())), orders.get(row.id)
        known = (noted.get(row.seq), named.get(row.seq), grouped.get(row.seq), moving.get(row.id))
        found.append(Summary(row, labels, params, metrics, ready, order, *known))
    return found


def _these(rows: list[ListRow]) -> Among:
    seqs = [row.seq for row in rows]
    return lambda seq: seq.in_(seqs)


def _orders(tx: Connection, among: Among) -> dict[str, OutboxRow]:
    """Return the orders that were given in vain; there are few at any time."""
    ids = select(outbox_table.c.experiment_id).join(experiment, experiment.c.id == outbox_table.c.experiment_id)
    vain = outbox_table.c.last_error.is_not(None)
    found = list(tx.execute(ids.where(vain, among(experiment.c.seq))).scalars())
    return outbox.troubled(tx, found) if found else {}


def _running(tx: Connection, among: Among) -> dict[tuple[str, int], int]:
    key = (replica.c.experiment_id, replica.c.attempt)
    found = select(*key, func.count()).join(experiment, experiment.c.id == replica.c.experiment_id)
    counted = tx.execute(found.where(replica.c.status == "Running", among(experiment.c.seq)).group_by(*key))
    return {(row[0], row[1]): row[2] for row in counted}


def _tags(tx: Connection, among: Among) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    wanted = select(experiment_tag.c.seq, experiment_tag.c.tag).where(among(experiment_tag.c.seq))
    for seq, tag in tx.execute(wanted.order_by(experiment_tag.c.tag)):
        found.setdefault(seq, []).append(tag)
    return found


def _noted(tx: Connection, among: Among) -> dict[int, Noted]:
    columns = (housekeeping.c[name] for name in Noted.__dataclass_fields__)
    found = tx.execute(select(housekeeping.c.seq, *columns).where(among(housekeeping.c.seq)))
    return {seq: Noted(*values) for seq, *values in found}
