"""What lists are asked for: filters, order and page.

Light: the handlers are imported before anything of the service is.
"""

from __future__ import annotations

from submarine_jupyter.errors import InvalidRequest
from submarine_jupyter_server.store.lists.query import Query
from submarine_jupyter_server.wire.queries.conditions import conditions, is_condition
from submarine_jupyter_server.wire.queries.parameters import QueryString, moment, one, only, whole

DEFAULT_LIMIT = 1000
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
