"""The paths that show experiments side by side."""

from __future__ import annotations

from submarine_jupyter_server.wire.openapi.list_parameters import listed
from submarine_jupyter_server.wire.openapi.operations import Json, operation, query

_NAMES: Json = {"type": "string"}


def paths() -> Json:
    """Describe the calls that compare experiments."""
    filters = [found for found in listed() if found["name"] != "limit"]
    many = [
        query("ids", _NAMES, "These experiments, with commas between; else the filters of a list choose."),
        query("metrics", _NAMES, "Columns of these metrics, with commas between; else those of most experiments."),
        query("params", _NAMES, "Columns of these parameters, with commas between; else of those that differ."),
        query("limit", {"type": "integer", "minimum": 1, "maximum": 1500}, "The maximum number of experiments."),
        *filters,
    ]
    two = [query("a", _NAMES, "An experiment."), query("b", _NAMES, "The experiment that it is compared with.")]
    columns = operation("Compare experiments, in columns", {"type": "object"}, 400, 429)
    texts: Json = {"type": "object", "required": ["a", "b", "params", "spec", "code"]}
    return {
        "/experiment/compare": {"get": columns | {"parameters": many}},
        "/experiment/diff": {
            "get": operation("Return how two experiments differ", texts, 400, 404, 429) | {"parameters": two}
        },
    }
