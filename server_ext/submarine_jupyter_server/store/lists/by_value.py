"""Lists by parameters and metrics: which experiments fit a condition, and their order by one of them.

In order come numbers, then texts, then experiments that have neither. These come last also from high to low: who sorts
by accuracy wants to see no run without one first.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import ge, gt, le, lt
from typing import Any

from sqlalchemy import Column, Connection, FromClause, Select, and_, case, or_, select, true
from sqlalchemy.sql.elements import ColumnElement

from submarine_jupyter_server.store.tables import experiment, experiment_value

from .conditions import HAS, Condition, Named

Key = str | float | None
_Compare = Callable[[ColumnElement[Any], Any], ColumnElement[bool]]
_COMPARE: dict[str, _Compare] = {"<": lt, "<=": le, ">": gt, ">=": ge}
# What is sorted by stands beside the conditions, which ask the same table.
_sorted = experiment_value.alias("sorted_by")
_number: Column[float] = _sorted.c.number
_text: Column[str] = _sorted.c.text


def having(condition: Condition) -> Select[Any]:
    """Return the numbers of the experiments that fit."""
    return select(experiment_value.c.seq).where(_is(experiment_value, condition.named), _fits(condition))


def _is(table: FromClause, named: Named) -> ColumnElement[bool]:
    return and_(table.c.kind == named.kind, table.c.name == named.name)


def _fits(condition: Condition) -> ColumnElement[bool]:
    number, text = experiment_value.c.number, experiment_value.c.text
    if condition.operator == HAS:
        return true()
    if condition.operator in _COMPARE:
        return _COMPARE[condition.operator](number, condition.number)
    same_text, same_number = text == condition.text, number == condition.number
    if condition.operator == "=":
        return same_text if condition.number is None else or_(same_number, same_text)
    return or_(number.is_not(None) if condition.number is None else ~same_number, ~same_text)


def picked(
    named: Named, conditions: list[ColumnElement[bool]], after: tuple[Key, int] | None, limit: int, *, descending: bool
) -> Select[Any]:
    """Return the statement that finds the rows of a page, ``after`` a value and a number of a row, in order."""
    found = select(experiment.c.seq, _number, _text).select_from(_valued(named)).where(*conditions)
    if after is not None:
        found = found.where(_beyond(*after, descending=descending))
    return found.order_by(*order(experiment.c.seq, _number, _text, descending=descending)).limit(limit)


def order(
    seq: ColumnElement[Any], number: ColumnElement[Any], text: ColumnElement[Any], *, descending: bool
) -> list[ColumnElement[Any]]:
    """Return what to order by."""
    group = case((number.is_not(None), 0), (text.is_not(None), 1), else_=2)
    # Within a group no null is compared with anything else, so that no engine's order of nulls matters.
    return [group, *(column.desc() if descending else column.asc() for column in (number, text, seq))]


def key_of(tx: Connection, named: Named, seq: int) -> Key:
    """Return the value of an experiment as a cursor holds it."""
    found = tx.execute(select(_number, _text).where(_sorted.c.seq == seq, _is(_sorted, named))).first()
    return None if found is None else found.text if found.number is None else found.number


def _valued(named: Named) -> FromClause:
    return experiment.outerjoin(_sorted, and_(_sorted.c.seq == experiment.c.seq, _is(_sorted, named)))


def _beyond(key: Key, seq: int, *, descending: bool) -> ColumnElement[bool]:
    """Return the condition of what follows a value and the number of its row."""
    compare: _Compare = lt if descending else gt
    later = compare(experiment.c.seq, seq)
    if key is None:
        return and_(_number.is_(None), _text.is_(None), later)
    if isinstance(key, str):
        return and_(_number.is_(None), or_(_text.is_(None), compare(_text, key), and_(_text == key, later)))
    return or_(_number.is_(None), compare(_number, key), and_(_number == key, later))
