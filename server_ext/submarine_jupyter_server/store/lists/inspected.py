"""Conditions that no index answers, so that each row is inspected: free text, time, what people noted."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.sql.elements import ColumnElement

from submarine_jupyter.errors import InvalidRequest
from submarine_jupyter_server.store.annotations.searchable import PARAM
from submarine_jupyter_server.store.tables import experiment, experiment_tag, experiment_value, housekeeping

from .query import Query

MOST_WORDS, LONGEST = 8, 200


def inspected(query: Query) -> list[ColumnElement[bool]]:
    """Return the conditions on time and words. Raises InvalidRequest for too many words."""
    since = [] if query.since is None else [experiment.c.accepted >= query.since]
    return since + ([] if query.words is None else _words(query.words))


def noted(query: Query, seq: ColumnElement[Any]) -> list[ColumnElement[bool]]:
    """Return the conditions on what people noted about the experiment of the number ``seq``."""
    found = []
    for column, wanted in ((housekeeping.c.archived, query.archived), (housekeeping.c.pinned, query.pinned)):
        if wanted is not None:
            is_so = select(housekeeping.c.seq).where(housekeeping.c.seq == seq, column.is_(True)).exists()
            found.append(is_so if wanted else ~is_so)
    return found


def _words(text: str) -> list[ColumnElement[bool]]:
    """Return the conditions that each word of a text is somewhere; the case of ASCII letters does not matter."""
    words = text.split()
    if len(words) > MOST_WORDS or len(text) > LONGEST:
        raise InvalidRequest(f"q: at most {MOST_WORDS} words and {LONGEST} characters can be searched for")
    return [_somewhere(word.lower()) for word in dict.fromkeys(words)]


def _somewhere(word: str) -> ColumnElement[bool]:
    def within(column: ColumnElement[str]) -> ColumnElement[bool]:
        return func.lower(column).contains(word, autoescape=True)

    tagged = select(experiment_tag.c.seq).where(within(experiment_tag.c.tag))
    valued = select(experiment_value.c.seq).where(experiment_value.c.kind == PARAM, within(experiment_value.c.text))
    written = select(housekeeping.c.seq).where(within(housekeeping.c.note))
    by_number = (experiment.c.seq.in_(found) for found in (tagged, valued, written))
    return or_(within(experiment.c.name), within(experiment.c.id), *by_number)
