"""Free text: which experiments have a word somewhere that people read."""

from __future__ import annotations

from sqlalchemy import func, or_, select
from sqlalchemy.sql.elements import ColumnElement

from submarine_jupyter.errors import InvalidRequest
from submarine_jupyter_server.store.searchable import PARAM
from submarine_jupyter_server.store.tables import experiment, experiment_tag, experiment_value

MOST_WORDS, LONGEST = 8, 200


def having_words(text: str) -> list[ColumnElement[bool]]:
    """Return the conditions that each word of a text is in the name, the id, a tag or a parameter that is text.

    The case of ASCII letters does not matter. Raises InvalidRequest for what is too long.
    """
    words = text.split()
    if len(words) > MOST_WORDS or len(text) > LONGEST:
        raise InvalidRequest(f"q: at most {MOST_WORDS} words and {LONGEST} characters can be searched for")
    return [_having(word.lower()) for word in dict.fromkeys(words)]


def _having(word: str) -> ColumnElement[bool]:
    def within(column: ColumnElement[str]) -> ColumnElement[bool]:
        return func.lower(column).contains(word, autoescape=True)

    tagged = select(experiment_tag.c.seq).where(within(experiment_tag.c.tag))
    valued = select(experiment_value.c.seq).where(experiment_value.c.kind == PARAM, within(experiment_value.c.text))
    return or_(
        within(experiment.c.name),
        within(experiment.c.id),
        experiment.c.seq.in_(tagged),
        experiment.c.seq.in_(valued),
    )
