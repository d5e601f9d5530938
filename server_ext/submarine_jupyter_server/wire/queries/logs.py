"""What is asked for in logs: lines, bytes, matches, places in time."""

from __future__ import annotations

from dataclasses import dataclass

from submarine_jupyter.errors import InvalidRequest
from submarine_jupyter_server.logs.position import Position, parse_position
from submarine_jupyter_server.logs.raw import WantedBytes, parse_range
from submarine_jupyter_server.logs.search.needle import needle
from submarine_jupyter_server.logs.search.scan import SearchQuery
from submarine_jupyter_server.wire.queries.parameters import QueryString, flag, moment, one, only, whole

MAX_ATTEMPT = 10**6
MAX_TAIL = 1_000_000
MAX_MATCHES = 1000
MAX_CONTEXT = 10
MAX_LINES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceQuery:
    """Unix time ``at``, in the log of one replica or of all."""

    at: float
    replica: str | None
    attempt: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedQuery:
    """Which lines: the first ``limit`` from Unix time ``at`` or the position ``after``, else the last ones.

    The last ones are those before the position ``before``, none older than Unix time ``since``.
    """

    limit: int
    attempt: int | None
    at: float | None
    after: Position | None
    before: Position | None
    since: float | None


def search_query(values: QueryString) -> SearchQuery:
    """Return what is searched for. Raises InvalidRequest."""
    only(values, "search", "regex", "ignoreCase", "replica", "attempt", "since", "after", "limit", "context")
    after = _position(values, "after")
    return SearchQuery(
        needle(one(values, "search") or "", regex=flag(values, "regex"), ignore_case=flag(values, "ignoreCase")),
        replica=one(values, "replica"),
        attempt=_attempt(values, after=after),
        since=moment(one(values, "since"), "since"),
        after=after,
        limit=whole(values, "limit", 1, MAX_MATCHES) or 100,
        context=whole(values, "context", 0, MAX_CONTEXT) or 0,
    )


def place_query(values: QueryString) -> PlaceQuery:
    """Return which moment is asked for. Raises InvalidRequest."""
    only(values, "at", "replica", "attempt")
    at = moment(one(values, "at"), "at")
    if at is None:
        raise InvalidRequest("'at' must be a time.")
    return PlaceQuery(at=at, replica=one(values, "replica"), attempt=_attempt(values))


def merged_query(values: QueryString) -> MergedQuery:
    """Return which merged lines are wanted. Raises InvalidRequest."""
    only(values, "merged", "limit", "attempt", "at", "after", "before", "since")
    if sum(one(values, name) is not None for name in ("at", "after", "before")) > 1:
        raise InvalidRequest("Of 'at', 'after' and 'before' only one can be given.")
    after, before = _position(values, "after"), _position(values, "before")
    at, since = moment(one(values, "at"), "at"), moment(one(values, "since"), "since")
    if since is not None and (at is not None or after is not None):
        raise InvalidRequest("'since' goes with 'before', or alone.")
    return MergedQuery(
        limit=whole(values, "limit", 1, MAX_LINES) or 1000,
        attempt=_attempt(values, after=after, before=before),
        at=at,
        after=after,
        before=before,
        since=since,
    )


def _attempt(values: QueryString, **positions: Position | None) -> int | None:
    """Return the attempt that is named, or that of a position. Raises InvalidRequest where they differ."""
    attempt = whole(values, "attempt", 1, MAX_ATTEMPT)
    for name, position in positions.items():
        if position is not None and attempt not in (None, position.attempt):
            raise InvalidRequest(f"{name!r} is a position in attempt {position.attempt}, not in attempt {attempt}.")
        attempt = attempt if position is None else position.attempt
    return attempt


def _position(values: QueryString, name: str) -> Position | None:
    """Return a parameter that is a position, None if it is absent. Raises InvalidRequest."""
    text = one(values, name)
    return None if text is None else parse_position(text, name, "send a position from an earlier answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuery:
    """Which lines: the last ``tail``, written at Unix time ``since`` or later, of one replica, of one attempt."""

    tail: int | None = None
    since: float | None = None
    replica: str | None = None
    attempt: int | None = None


def log_query(query: QueryString) -> LogQuery:
    """Return which lines of a log are asked for. Raises InvalidRequest."""
    only(query, "tail", "since", "replica", "attempt")
    return LogQuery(
        tail=whole(query, "tail", 0, MAX_TAIL),
        since=moment(one(query, "since"), "since"),
        replica=one(query, "replica"),
        attempt=whole(query, "attempt", 1, MAX_ATTEMPT),
    )


def place_in_log(last_event_id: str | None) -> Position | None:
    """Return where a follower of a log goes on, None where it begins anew. Raises InvalidRequest."""
    return parse_position(last_event_id) if last_event_id else None


def wanted_bytes(header: str | None) -> WantedBytes | None:
    """Return the part of a log that a Range header asks for, None for the whole."""
    return parse_range(header)
