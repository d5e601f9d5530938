"""Read the conditions of a list: ``param.lr=<0.01``, ``metric.accuracy=>0.9``, ``param.optimizer=adam``."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from submarine_jupyter.errors import InvalidRequest
from submarine_jupyter_server.store.lists.conditions import KINDS, LONGEST_NAME, Condition, Named
from submarine_jupyter_server.wire.queries.parameters import QueryString

LONGEST = 255
_WRITTEN = re.compile(r"(!=|<=|>=|==|[<>=])?(.*)", re.DOTALL)
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,3})?")


def is_condition(name: str) -> bool:
    """Return whether a parameter of a URL is a condition."""
    return name.partition(".")[0] in KINDS and "." in name


def conditions(query: QueryString) -> Iterator[Condition]:
    """Yield the conditions of a list, all of which hold. Raises InvalidRequest naming the one that cannot be used."""
    for name, texts in query.items():
        if is_condition(name):
            for text in texts:
                yield _condition(name, text)


def _condition(name: str, text: str) -> Condition:
    named = Named.of(name)
    if named is None:
        raise InvalidRequest(f"'{name[:40]}' must be followed by a name of 1 to {LONGEST_NAME} characters, as param.lr")
    written = _WRITTEN.fullmatch(text)
    operator, value = (written[1], written[2]) if written else (None, text)
    operator = "=" if operator in (None, "==") else operator
    if len(value) > LONGEST:
        raise InvalidRequest(f"'{name[:80]}' can be compared with {LONGEST} characters at most")
    number = _number(value.strip())
    if number is None and (named.kind == "metric" or operator not in ("=", "!=")):
        raise InvalidRequest(
            f"'{name[:80]}' must be compared with a number, as {name[:80]}=>0.9, not with '{value[:40]}'"
        )
    return Condition(named, operator, value, number)


def _number(text: str) -> float | None:
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None
