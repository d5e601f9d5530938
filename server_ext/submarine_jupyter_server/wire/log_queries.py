"""Parameters of URLs -> what is wanted of logs."""

from __future__ import annotations

from submarine_jupyter.errors import InvalidRequest
from submarine_jupyter_server.logs.needle import needle
from submarine_jupyter_server.logs.position import Position, parse_position
from submarine_jupyter_server.logs.search import SearchQuery
from submarine_jupyter_server.wire.parameters import QueryString, flag, one, only, whole
from submarine_jupyter_server.wire.queries import MAX_ATTEMPT, moment

MAX_MATCHES = 1000
MAX_CONTEXT = 10


def search_query(values: QueryString) -> SearchQuery:
    """Return what is searched for. Raises InvalidRequest."""
    only(values, "search", "regex", "ignoreCase", "replica", "attempt", "since", "after", "limit", "context")
    after, attempt = position(values, "after"), whole(values, "attempt", 1, MAX_ATTEMPT)
    if after is not None and attempt not in (None, after.attempt):
        raise InvalidRequest(f"'after' is a position in attempt {after.attempt}, not in attempt {attempt}.")
    return SearchQuery(
        needle(one(values, "search") or "", regex=flag(values, "regex"), ignore_case=flag(values, "ignoreCase")),
        replica=one(values, "replica"),
        attempt=attempt,
        since=moment(one(values, "since"), "since"),
        after=after,
        limit=whole(values, "limit", 1, MAX_MATCHES) or 100,
        context=whole(values, "context", 0, MAX_CONTEXT) or 0,
    )


def position(values: QueryString, name: str) -> Position | None:
    """Return a parameter that is a position, None if it is absent. Raises InvalidRequest."""
    text = one(values, name)
    return None if text is None else parse_position(text, name, "send 'next' of the answer before")
