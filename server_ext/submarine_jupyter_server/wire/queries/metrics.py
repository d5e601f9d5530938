"""What is asked for of metrics: which points of which curves."""

from __future__ import annotations

from dataclasses import dataclass

from submarine_jupyter_server.wire.queries.parameters import QueryString, one, only, several, whole

MAX_POINTS = 100_000
MAX_NAMES = 100


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
