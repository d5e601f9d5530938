"""The paths of metrics."""

from __future__ import annotations

from submarine_jupyter_server.wire.openapi.operations import PATH_ID, Json, operation, query


def paths() -> Json:
    """Describe the calls that read metrics."""
    parameters = [
        query("name", {"type": "string"}, "One metric only."),
        query("names", {"type": "string"}, "Only these metrics, separated by commas; can be repeated."),
        query("replica", {"type": "string"}, "One replica only."),
        query("limit", {"type": "integer", "minimum": 1, "maximum": 100_000}, "The maximum number of points."),
        query(
            "points",
            {"type": "integer", "minimum": 4, "maximum": 100_000},
            "The maximum number of points of each series.",
        ),
        query("since", {"type": "integer", "minimum": 0}, "Only points after this: `last` of an earlier answer."),
    ]
    curves = operation("Return the metrics of an experiment", {"type": "object"}, 400, 404)
    return {"/experiment/{id}/metrics": {"parameters": [PATH_ID], "get": curves | {"parameters": parameters}}}
