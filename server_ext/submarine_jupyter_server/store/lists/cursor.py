"""Where a page of a list begins: the sort order and the last row before it, as one opaque word."""

from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column

from submarine_jupyter.errors import InvalidRequest
from submarine_jupyter_server.store.rows import ListRow
from submarine_jupyter_server.store.tables import experiment

from .by_value import Key
from .conditions import LONGEST_NAME, Named

SORTS: dict[str, Column[Any]] = {
    "accepted": experiment.c.seq,
    "name": experiment.c.name,
    "status": experiment.c.status,
    "finished": experiment.c.finished,
}
_MOST = 2**63


@dataclass(frozen=True, slots=True)
class PagePosition:
    """A sort order and, beyond the first page, the last row that was shown: ``key`` is its value in that order."""

    sort: str
    key: str | float | None = None
    seq: int | None = None

    @property
    def named(self) -> Named | None:
        """The parameter or the metric that is sorted by; None where it is a column."""
        return Named.of(self.sort.removeprefix("-"))

    @property
    def column(self) -> Column[Any]:
        """What is sorted by; rows with equal values follow in the order of acceptance."""
        return SORTS[self.sort.removeprefix("-")]

    @property
    def descending(self) -> bool:
        """From high to low."""
        return self.sort.startswith("-")

    @classmethod
    def of(cls, sort: str, cursor: str | None) -> PagePosition:
        """Read the sort order and the cursor of a request. Raises InvalidRequest naming the one that is wrong."""
        if not _is_sort(sort):
            raise InvalidRequest(
                f"sort: '{sort[:40]}' is not one of {', '.join(SORTS)}, param.NAME, metric.NAME (a name has "
                f"{LONGEST_NAME} characters at most), or one of them after a '-'"
            )
        if cursor is None:
            return cls(sort)
        try:
            found = json.loads(base64.b64decode(cursor.encode("ascii"), b"-_", validate=True))
        except (ValueError, RecursionError):
            found = None
        if not _is_cursor(found):
            raise InvalidRequest("cursor: this server did not issue it", hint="Begin with the first page.")
        if found[0] != sort:
            raise InvalidRequest(f"cursor: it belongs to sort={found[0]}, not to sort={sort}")
        return cls(*found)

    def after(self, row: ListRow, value: Key = None) -> str:
        """Return the cursor of the page that follows ``row``; ``value`` is that of its parameter or metric."""
        name = self.sort.removeprefix("-")
        key = value if self.named else row.seq if name == "accepted" else getattr(row, name)
        return base64.b64encode(json.dumps([self.sort, key, row.seq]).encode(), b"-_").decode()


def _is_cursor(found: object) -> bool:
    if not isinstance(found, list) or len(found) != 3 or not isinstance(found[0], str):
        return False
    sort, key, seq = found
    if not _is_sort(sort) or not _is_number(seq):
        return False
    if Named.of(sort.removeprefix("-")):
        return key is None or isinstance(key, str) or (type(key) is float and math.isfinite(key))
    match sort.removeprefix("-"):
        case "accepted":
            return _is_number(key)
        case "finished":
            return key is None or _is_number(key)
        case _:
            return isinstance(key, str)


def _is_sort(text: str) -> bool:
    name = text.removeprefix("-")
    return name in SORTS or Named.of(name) is not None


def _is_number(value: object) -> bool:
    return type(value) is int and -_MOST <= value < _MOST
