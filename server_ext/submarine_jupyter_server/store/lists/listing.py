"""Pages of experiments that stay fast however many there are.

A page starts where the last one ended (keyset), never at an offset. Which index leads to it is decided here: SQLite
knows nothing of how the values are distributed, and a wrong guess reads a hundred thousand rows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, and_, func, select, union_all
from sqlalchemy.sql.elements import ColumnElement

from submarine_jupyter.errors import InvalidRequest
from submarine_jupyter.models import Status
from submarine_jupyter_server.store.rows import LISTED, ListRow, listed
from submarine_jupyter_server.store.tables import experiment, experiment_tag, experiment_value, group_member, origin
from submarine_jupyter_server.store.tables.dialect import ascending, descending, unindexed

from . import by_value
from .conditions import Condition, Named
from .cursor import PagePosition
from .inspected import inspected, noted
from .query import Query

_UNDELETED = experiment.c.deleted.is_(None)
# A filter that leaves fewer rows than this leads to the page itself, and what it leaves is sorted.
_FEW = 1000
_MOST_TAGS = _MOST_CONDITIONS = 20
# Of the specs of one page: a thousand experiments may have a MiB each.
MOST_CHARACTERS = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Page:
    """Some experiments, and the cursor of the page after it, None on the last one."""

    rows: list[ListRow]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition, twice: so that an index may answer it, and so that none can.

    ``ordered``: its index holds the rows in the order of acceptance. ``having`` finds the rows without the others.
    """

    indexed: ColumnElement[bool]
    hidden: ColumnElement[bool]
    ordered: bool = True
    tag: str | None = None
    having: Select[Any] | None = None


def page(tx: Connection, query: Query) -> Page:
    """Return one page of the experiments that are not deleted.

    Raises InvalidRequest for a bad filter, sort or cursor.
    """
    if query.limit < 1:
        raise InvalidRequest(f"limit: must be 1 or more, not {query.limit}")
    position = PagePosition.of(query.sort, query.cursor)
    named = position.named
    if named is None:
        picked = _picked(tx, query, position, query.limit + 1).subquery()
        order = _order(position, position.column)
    else:
        picked = _picked_by_value(tx, query, named, position).subquery()
        columns = (experiment.c.seq, picked.c.number, picked.c.text)
        order = by_value.order(*columns, descending=position.descending)
    statement = select(*LISTED).join(picked, picked.c.seq == experiment.c.seq).order_by(*order)
    rows: list[ListRow] = []
    size = 0
    with contextlib.closing(tx.execute(statement)) as found:
        for row in map(listed, found):
            size += len(row.wire_spec)
            if len(rows) == query.limit or (rows and size > MOST_CHARACTERS):
                last = rows[-1]
                return Page(rows, position.after(last, by_value.key_of(tx, named, last.seq) if named else None))
            rows.append(row)
    return Page(rows, None)


def count(tx: Connection, query: Query) -> int:
    """Return how many experiments fit the filters."""
    return tx.execute(select(func.count()).select_from(experiment).where(*wanted(query))).scalar_one()


def wanted(query: Query) -> list[ColumnElement[bool]]:
    """Return the conditions on the experiments that fit the filters. Raises InvalidRequest for a bad filter."""
    return [_UNDELETED, *_inspected(query), *(found.indexed for found in _filters(query))]


def _picked_by_value(tx: Connection, query: Query, named: Named, position: PagePosition) -> Select[Any]:
    conditions = [_UNDELETED, *_inspected(query), *_led(tx, _filters(query))]
    key = position.key if position.key is None or isinstance(position.key, str) else float(position.key)
    after = None if position.seq is None else (key, position.seq)
    return by_value.picked(named, conditions, after, query.limit + 1, descending=position.descending)


def _led(tx: Connection, filters: list[Filter]) -> list[ColumnElement[bool]]:
    """Return the conditions, so that the one that leaves few rows leads to them."""
    leading = _selective(tx, filters)
    return [found.indexed if found is leading else found.hidden for found in filters]


def _inspected(query: Query) -> list[ColumnElement[bool]]:
    return [*inspected(query), *noted(query, experiment.c.seq)]


def _picked(tx: Connection, query: Query, position: PagePosition, limit: int) -> Select[Any]:
    """Return the statement that finds the numbers of the rows of a page, touching few others."""
    filters, conditions = _filters(query), _inspected(query)
    by_acceptance = position.column is experiment.c.seq
    if len(filters) == 1 and by_acceptance and filters[0].ordered:
        if filters[0].tag is not None and not inspected(query):
            return _of_tag(filters[0].tag, query, position, limit)
        conditions.append(filters[0].indexed)
    else:
        conditions += _led(tx, filters)
    if by_acceptance:
        return _arm(conditions, position, limit, *_beyond(position, experiment.c.seq, position.key))
    if position.seq is None:
        return _arm(conditions, position, limit)
    # Searches that an index answers to the end: the rest of the equal ones, then what comes beyond.
    arms = [_arm(conditions, position, limit, *bounds).subquery() for bounds in _bounds(position)]
    found = union_all(*(select(arm.c.seq, arm.c.key) for arm in arms)).subquery()
    return select(found.c.seq).order_by(*_order(position, found.c.key, found.c.seq)).limit(limit)


def _bounds(position: PagePosition) -> list[list[ColumnElement[bool]]]:
    """Return what follows a row, in parts; null is below everything, as in `ascending`."""
    column, key = position.column, position.key
    missing: ColumnElement[bool] = column.is_(None)
    equal = [missing if key is None else column == key, *_beyond(position, experiment.c.seq, position.seq)]
    if position.descending:
        return [equal] if key is None else [equal, _beyond(position, column, key), [missing]]
    return [equal, [column.is_not(None)] if key is None else _beyond(position, column, key)]


def _arm(
    conditions: list[ColumnElement[bool]], position: PagePosition, limit: int, *bounds: ColumnElement[bool]
) -> Select[Any]:
    return (
        select(experiment.c.seq, position.column.label("key"))
        .where(_UNDELETED, *conditions, *bounds)
        .order_by(*_order(position, position.column))
        .limit(limit)
    )


def _of_tag(tag: str, query: Query, position: PagePosition, limit: int) -> Select[Any]:
    seq = experiment_tag.c.seq
    found = _having(tag).where(*noted(query, seq), *_beyond(position, seq, position.key))
    return found.order_by(*_order(position, seq, seq)).limit(limit)


def _beyond(position: PagePosition, column: ColumnElement[Any], key: str | float | None) -> list[ColumnElement[bool]]:
    if key is None:
        return []
    return [column < key if position.descending else column > key]


def _order(
    position: PagePosition, key: ColumnElement[Any], seq: ColumnElement[Any] = experiment.c.seq
) -> list[ColumnElement[Any]]:
    seq = seq.desc() if position.descending else seq.asc()
    if position.column is experiment.c.seq:
        return [seq]
    if position.column.nullable:
        return [(descending if position.descending else ascending)(key), seq]
    return [key.desc() if position.descending else key.asc(), seq]


def _selective(tx: Connection, filters: list[Filter]) -> Filter | None:
    """Return the filter that leaves the fewest rows, None if they all leave many."""
    if not filters:
        return None
    counted = []
    for found in filters:
        rows = select(experiment.c.seq).where(_UNDELETED, found.indexed) if found.having is None else found.having
        counted.append(select(func.count()).select_from(rows.limit(_FEW).subquery()).scalar_subquery())
    counts = list(tx.execute(select(*counted)).one())
    fewest = min(counts)
    return filters[counts.index(fewest)] if fewest < _FEW else None


def _filters(query: Query) -> list[Filter]:
    filters = [
        _equal(column, value)
        for column in ("owner", "framework", "target", "namespace")
        if (value := getattr(query, column)) is not None
    ]
    if query.name is not None:
        filters += _named(query.name)
    if query.statuses:
        filters.append(_in_status(query.statuses))
    if len(query.tags) > _MOST_TAGS:
        raise InvalidRequest(f"tag: at most {_MOST_TAGS} can be asked for at once")
    if len(query.conditions) > _MOST_CONDITIONS:
        raise InvalidRequest(f"param, metric: at most {_MOST_CONDITIONS} conditions can be asked for at once")
    if query.notebook is not None:
        filters.append(_found_by(select(origin.c.seq).where(origin.c.notebook == query.notebook), origin.c.seq))
    if query.group is not None:
        of_group = select(group_member.c.seq).where(group_member.c.name == query.group)
        filters.append(_found_by(of_group, group_member.c.seq))
    filters += [_valued(condition) for condition in query.conditions]
    return filters + [_tagged(tag) for tag in dict.fromkeys(query.tags)]


def _valued(condition: Condition) -> Filter:
    return _found_by(by_value.having(condition), experiment_value.c.seq)


def _found_by(having: Select[Any], seq: ColumnElement[Any]) -> Filter:
    this = having.where(seq == experiment.c.seq)
    return Filter(experiment.c.seq.in_(having), this.exists(), ordered=False, having=having)


def _equal(column: str, value: str) -> Filter:
    return Filter(experiment.c[column] == value, _hidden(column) == value)


def _named(name: str) -> list[Filter]:
    if not name.endswith("*"):
        return [_equal("name", name)]
    start = name[:-1]
    end = _first_after(start)

    def within(column: ColumnElement[str]) -> ColumnElement[bool]:
        return column >= start if end is None else and_(column >= start, column < end)

    return [Filter(within(experiment.c.name), within(_hidden("name")), ordered=False)] if start else []


def _in_status(statuses: Sequence[str]) -> Filter:
    known = {status.lower(): status.value for status in Status}
    for status in statuses:
        if status.lower() not in known:
            raise InvalidRequest(f"status: '{status[:40]}' is not one of {', '.join(Status)}")
    wanted = sorted({known[status.lower()] for status in statuses})
    if len(wanted) == 1:
        return _equal("status", wanted[0])
    return Filter(experiment.c.status.in_(wanted), _hidden("status").in_(wanted), ordered=False)


def _tagged(tag: str) -> Filter:
    this = _having(tag).where(experiment_tag.c.seq == experiment.c.seq)
    return Filter(experiment.c.seq.in_(_having(tag)), this.exists(), tag=tag, having=_having(tag))


def _having(tag: str) -> Select[Any]:
    return select(experiment_tag.c.seq).where(experiment_tag.c.tag == tag)


def _hidden(column: str) -> ColumnElement[str]:
    return unindexed(experiment.c[column])


def _first_after(start: str) -> str | None:
    """Return the first text, by code points, that comes after all that begin with ``start``; None if none does."""
    for index in range(len(start) - 1, -1, -1):
        if start[index] != "\U0010ffff":
            following = ord(start[index]) + 1
            return start[:index] + chr(0xE000 if following == 0xD800 else following)
    return None
