"""Experiments side by side: many in columns, two as a difference. One is read at a time: each may have much to read."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from sqlalchemy import Connection

from submarine_jupyter.errors import TooManyRequests
from submarine_jupyter_server.services import access
from submarine_jupyter_server.services.principal import Principal
from submarine_jupyter_server.services.unknown import unknown
from submarine_jupyter_server.store.annotations.shown import Value
from submarine_jupyter_server.store.engine.database import Database
from submarine_jupyter_server.store.lists import compared
from submarine_jupyter_server.store.lists.compared import Param
from submarine_jupyter_server.store.reported import metrics
from submarine_jupyter_server.store.rows import ListRow
from submarine_jupyter_server.wire.comparison.columns import Comparison, ComparisonQuery
from submarine_jupyter_server.wire.comparison.difference import Side

MAX_WAITING = 64
MOST_CELLS = 30_000
"""Of one kind, parameters or metrics, in an answer."""
_MOST_COLUMNS = 100
_NOT_ALL = "There are too many metrics to name all of them; ask for others with metrics=NAME."
_Found = TypeVar("_Found")


class Comparisons:
    """Compares experiments."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._turn = asyncio.Semaphore(1)
        self._waiting = 0

    async def compare(self, principal: Principal, query: ComparisonQuery) -> Comparison:
        """Return experiments side by side; of those named, the ones that can be read. Raises InvalidRequest."""
        return await self._read(lambda tx: _compared(tx, principal, query))

    async def diff(self, principal: Principal, one: str, other: str) -> tuple[Side, Side]:
        """Return two experiments to be compared. Raises NotFound."""
        return await self._read(lambda tx: (_side(tx, principal, one), _side(tx, principal, other)))

    async def _read(self, read: Callable[[Connection], _Found]) -> _Found:
        if self._waiting >= MAX_WAITING:
            raise TooManyRequests(f"{MAX_WAITING} comparisons wait already.", hint="Try again in a moment.")
        self._waiting += 1
        try:
            async with self._turn:
                return await self._db.read(read)
        finally:
            self._waiting -= 1


def _side(tx: Connection, principal: Principal, experiment_id: str) -> Side:
    row = access.find(tx, principal, experiment_id)
    return Side(row.id, row.wire_spec, metrics.settings(tx, row.id, row.attempt))


def _compared(tx: Connection, principal: Principal, query: ComparisonQuery) -> Comparison:
    cursor, note, missing = None, None, []
    if query.ids:
        rows = compared.rows(tx, access.own(tx, principal, query.ids))
        missing = list(Counter(query.ids) - Counter(row.id for row in rows))
    else:
        rows, cursor, note = _listed(tx, principal, query)
    seqs = [row.seq for row in rows]
    params = compared.params(tx, seqs)
    differ = [name for name, one in params.items() if one.varies or one.count < len(rows)]
    shown = _columns(query.params, differ, len(rows))
    names, whole = compared.metric_names(tx, seqs)
    metrics = _columns(query.metrics, [name for name, _ in sorted(names.items(), key=_by_use)], len(rows))
    return Comparison(
        rows=rows,
        params=compared.values(tx, seqs, shown),
        same=_same(params, differ),
        metrics=compared.measures(tx, seqs, metrics),
        other_params=_others(differ, shown),
        other_metrics=_others(sorted(names), metrics),
        missing=missing,
        next_cursor=cursor,
        note=" ".join(filter(None, (note, None if whole else _NOT_ALL))) or None,
    )


def _listed(
    tx: Connection, principal: Principal, query: ComparisonQuery
) -> tuple[list[ListRow], str | None, str | None]:
    """Return the rows of a list, however few of them come at once, the cursor after them and a note."""
    rows: list[ListRow] = []
    wanted, note = query.query, None
    while True:
        page = access.page(tx, principal, replace(wanted, limit=query.query.limit - len(rows)))
        note = note or unknown(tx, principal, wanted, page)
        rows += [replace(row, wire_spec="") for row in page.rows]
        if page.next_cursor is None or len(rows) >= query.query.limit:
            return rows, page.next_cursor, note
        wanted = replace(wanted, cursor=page.next_cursor)


def _columns(asked: Sequence[str], known: Sequence[str], rows: int) -> list[str]:
    """Return the names of the columns that an answer has room for."""
    return list(asked or known)[: max(1, min(_MOST_COLUMNS, MOST_CELLS // max(rows, 1)))]


def _others(known: Sequence[str], shown: Sequence[str]) -> list[str]:
    return [name for name in known if name not in set(shown)]


def _same(params: dict[str, Param], differ: Sequence[str]) -> dict[str, Value]:
    others = set(differ)
    return {name: one.value for name, one in sorted(params.items()) if name not in others}


def _by_use(found: tuple[str, int]) -> tuple[int, str]:
    return -found[1], found[0]
