"""Many experiments side by side: a column for each parameter that differs and for each metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from submarine_jupyter.errors import InvalidRequest
from submarine_jupyter_server.store.lists.query import Query
from submarine_jupyter_server.wire.answers.states import state_of
from submarine_jupyter_server.wire.encoding import json_text, time_text
from submarine_jupyter_server.wire.queries.lists import list_query
from submarine_jupyter_server.wire.queries.parameters import QueryString, several, whole

if TYPE_CHECKING:
    from submarine_jupyter_server.store.annotations.shown import Value
    from submarine_jupyter_server.store.lists.compared import Measure
    from submarine_jupyter_server.store.rows import ListRow

MOST_EXPERIMENTS = 1500
MOST_COLUMNS = 100
_OURS = ("ids", "metrics", "params", "limit")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonQuery:
    """Which experiments: these ``ids``, in this order, or else those of ``query``; and which columns, if named."""

    ids: tuple[str, ...]
    query: Query
    metrics: tuple[str, ...] = ()
    params: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """Experiments, their parameters that differ and those that are the ``same``, their metrics; by name, in order.

    ``other_params`` and ``other_metrics`` have no column; ``missing`` are ids of none that can be read.
    """

    rows: Sequence[ListRow]
    params: Mapping[str, Sequence[Value]]
    same: Mapping[str, Value]
    metrics: Mapping[str, Sequence[Measure]]
    other_params: Sequence[str]
    other_metrics: Sequence[str]
    missing: Sequence[str] = ()
    next_cursor: str | None = None
    note: str | None = None


def comparison_query(query: QueryString) -> ComparisonQuery:
    """Return what a comparison asks for. Raises InvalidRequest."""
    ids = several(query, "ids", MOST_EXPERIMENTS)
    filters = {name: values for name, values in query.items() if name not in _OURS}
    if ids and filters:
        other = next(iter(filters))[:80]
        raise InvalidRequest(f"'ids' names the experiments; {other!r} would choose others: give one of them.")
    return ComparisonQuery(
        ids=ids,
        query=replace(list_query(filters), limit=whole(query, "limit", 1, MOST_EXPERIMENTS) or MOST_EXPERIMENTS),
        metrics=several(query, "metrics", MOST_COLUMNS),
        params=several(query, "params", MOST_COLUMNS),
    )


def comparison_json(found: Comparison) -> str:
    """Return a comparison as JSON, made in pieces: the event loop waits while one is made."""
    parts = {
        "experiments": f"[{','.join(json_text(_experiment(row)) for row in found.rows)}]",
        "params": _list(json_text({"name": name, "values": values}) for name, values in found.params.items()),
        "same": json_text(found.same),
        "metrics": _list(json_text(_metric(name, some)) for name, some in found.metrics.items()),
        "otherParams": json_text(found.other_params),
        "otherMetrics": json_text(found.other_metrics),
    }
    return f"{{{','.join(f'{json_text(name)}:{text}' for name, text in parts.items())}}}"


def comparison_attributes(found: Comparison) -> dict[str, object]:
    """Return what stands beside the answer; None for what does not."""
    return {"missing": list(found.missing) or None, "nextCursor": found.next_cursor, "note": found.note}


def _list(texts: Any) -> str:
    return f"[{','.join(texts)}]"


def _experiment(row: ListRow) -> dict[str, Any]:
    return {
        "experimentId": row.id,
        "name": row.name,
        "status": row.status,
        "state": state_of(row),
        "acceptedTime": time_text(row.accepted),
        "createdTime": time_text(row.created or row.accepted),
        "runningTime": time_text(row.running),
        "finishedTime": time_text(row.finished),
    }


def _metric(name: str, some: Sequence[Measure]) -> dict[str, Any]:
    return {
        "name": name,
        "last": [one.last for one in some],
        "step": [one.step for one in some],
        "min": [one.low for one in some],
        "minStep": [one.low_step for one in some],
        "max": [one.high for one in some],
        "maxStep": [one.high_step for one in some],
    }
