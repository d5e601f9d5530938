"""What the URL and the headers ask for, as values: filters of lists, parts of logs, points of curves.

Light: the handlers are imported before anything of the service is.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime

from submarine_jupyter import durations
from submarine_jupyter.errors import InvalidRequest
from submarine_jupyter_server.logs.position import Position, parse_position
from submarine_jupyter_server.logs.raw import WantedBytes, parse_range
from submarine_jupyter_server.store.lists.query import Query
from submarine_jupyter_server.wire.conditions import conditions, is_condition
from submarine_jupyter_server.wire.parameters import QueryString, one, only, several, whole

DEFAULT_LIMIT = 1000
MAX_ATTEMPT = 10**6
MAX_TAIL = 1_000_000
MAX_POINTS = 100_000
MAX_NAMES = 100
_EITHER = {"true": True, "false": False, "any": None}
_COLUMNS = ("status", "name", "tag", "framework", "target", "owner", "namespace")
_FILTERS = (
    *_COLUMNS,
    "notebook",
    "group",
    "archived",
    "pinned",
    "since",
    "q",
    "param.NAME",
    "metric.NAME",
    "sort",
    "limit",
    "cursor",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuery:
    """Which lines: the last ``tail``, written at Unix time ``since`` or later, of one replica, of one attempt."""

    tail: int | None = None
    since: float | None = None
    replica: str | None = None
    attempt: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricQuery:
    """Which points: of some metrics (none: of all), of one replica, the newest ``limit``, those after number ``since``.

    ``points`` are how many of each series are left, None: all.
    """

    names: tuple[str, ...] = ()
    replica: str | None = None
    limit: int | None = None
    points: int | None = None
    since: int = 0


def list_query(query: QueryString) -> Query:
    """Return the filters, order and page of a list. Raises InvalidRequest naming what cannot be used."""
    only([name for name in query if not is_condition(name)], *_FILTERS)
    accepted = moment(one(query, "since"), "since")
    statuses = [part for text in query.get("status", []) for part in text.split(",") if part]
    return Query(
        statuses=tuple(statuses),
        name=one(query, "name"),
        tags=tuple(query.get("tag", [])),
        framework=one(query, "framework"),
        target=one(query, "target"),
        owner=one(query, "owner"),
        namespace=one(query, "namespace"),
        conditions=tuple(conditions(query)),
        since=None if accepted is None else int(accepted * 1000),
        words=one(query, "q"),
        notebook=one(query, "notebook"),
        group=one(query, "group"),
        archived=_either(query, "archived", default="false"),
        pinned=_either(query, "pinned", default="any"),
        sort=one(query, "sort") or "-accepted",
        limit=whole(query, "limit", 1, DEFAULT_LIMIT) or DEFAULT_LIMIT,
        cursor=one(query, "cursor"),
    )


def bulk_query(query: QueryString) -> Query:
    """Return which experiments are meant all at once. Raises InvalidRequest, also where no filter names them."""
    for name in ("sort", "limit", "cursor"):
        if name in query:
            raise InvalidRequest(f"{name!r} has no meaning here: all experiments that fit the filters are meant.")
    if not any(text for values in query.values() for text in values):
        raise InvalidRequest(
            "Name the experiments by a filter of lists, such as group=lr or tag=old.",
            hint="With dryRun=true the answer only says which ones these are.",
        )
    return list_query(query)


def _either(query: QueryString, name: str, *, default: str) -> bool | None:
    text = one(query, name) or default
    if text not in _EITHER:
        raise InvalidRequest(f"{name!r} must be {', '.join(_EITHER)}, not {text[:80]!r}.")
    return _EITHER[text]


def log_query(query: QueryString) -> LogQuery:
    """Return which lines of a log are asked for. Raises InvalidRequest."""
    only(query, "tail", "since", "replica", "attempt")
    return LogQuery(
        tail=whole(query, "tail", 0, MAX_TAIL),
        since=moment(one(query, "since"), "since"),
        replica=one(query, "replica"),
        attempt=whole(query, "attempt", 1, MAX_ATTEMPT),
    )


def metric_query(query: QueryString) -> MetricQuery:
    """Return which points of the curves are asked for. Raises InvalidRequest."""
    only(query, "name", "names", "replica", "limit", "points", "since")
    name = one(query, "name")
    names = several(query, "names", MAX_NAMES)
    return MetricQuery(
        names=names if name is None else tuple(dict.fromkeys((name, *names))),
        replica=one(query, "replica"),
        limit=whole(query, "limit", 1, MAX_POINTS),
        points=whole(query, "points", 4, MAX_POINTS),
        since=whole(query, "since") or 0,
    )


def place_in_log(last_event_id: str | None) -> Position | None:
    """Return where a follower of a log goes on, None where it begins anew. Raises InvalidRequest."""
    return parse_position(last_event_id) if last_event_id else None


def wanted_bytes(header: str | None) -> WantedBytes | None:
    """Return the part of a log that a Range header asks for, None for the whole."""
    return parse_range(header)


def moment(text: str | None, name: str) -> float | None:
    """Return the Unix time (s) of ``10m`` ago, or of an ISO 8601 time. Raises InvalidRequest."""
    if text is None:
        return None
    if (ago := durations.seconds(text)) is not None:
        return time.time() - ago
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise InvalidRequest(
            f"'{name}' must be like 30s, 10m, 2h, 1d, or a time like 2026-01-31T12:00:00Z, not '{text[:40]}'"
        ) from None
