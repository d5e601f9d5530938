"""What finds something in logs: parameters and answers."""

from __future__ import annotations

from submarine_jupyter_server.wire.openapi.operations import Json

SEARCH: list[tuple[str, Json, str]] = [
    ("search", {"type": "string", "minLength": 1, "maxLength": 1000}, "Return the matches of this text instead."),
    ("regex", {"type": "boolean"}, "Whether `search` is a regular expression (RE2)."),
    ("ignoreCase", {"type": "boolean"}, "Whether upper and lower case match each other."),
    ("context", {"type": "integer", "minimum": 0, "maximum": 10}, "With `search`: this many lines around each match."),
    ("merged", {"type": "boolean"}, "Return the lines of all replicas as one list, in the order of time."),
    (
        "at",
        {"type": "string"},
        "Where the logs are at that time: `10m` ago, or in ISO 8601; with `merged`, from there on.",
    ),
    ("after", {"type": "string"}, "With `search` or `merged`: where to go on, `next` of an earlier answer."),
    ("before", {"type": "string"}, "With `merged`: the lines before that, `first` of an earlier answer."),
    ("limit", {"type": "integer", "minimum": 1, "maximum": 10_000}, "The maximum number of lines, or matches (1,000)."),
]
"""The parameters: name, schema, description."""


def _found(name: str, of: str, items: Json, optional: Json | None = None) -> Json:
    """Return the schema of an answer whose ``of`` are objects with all of ``items``, and maybe some of ``optional``."""
    one = {"type": "object", "required": list(items), "properties": items | (optional or {})}
    return {
        "type": "object",
        "description": name,
        "required": ["experimentId", "attempt", of],
        "properties": {
            "experimentId": {"type": "string"},
            "attempt": {"type": "integer"},
            of: {"type": "array", "items": one},
        },
    }


_TEXT: Json = {"type": "string"}
_TEXTS: Json = {"type": "array", "items": _TEXT}
_NUMBER: Json = {"type": "integer", "minimum": 0}
_POD: Json = {"podName": _TEXT, "replica": _TEXT}
_TIME: Json = {"type": ["string", "null"], "format": "date-time"}
_PLACE: Json = _POD | {"offset": _NUMBER, "length": _NUMBER, "time": _TIME}
_SHOWN: Json = {"line": _TEXT, "column": _NUMBER, "columns": _NUMBER}

RESULTS: list[Json] = [
    _found("With `search`.", "matches", _PLACE | _SHOWN, {"before": _TEXTS, "after": _TEXTS}),
    _found("With `merged`.", "lines", {"replica": _TEXT, "offset": _NUMBER, "time": _TIME, "line": _TEXT}),
    _found("With `at`.", "replicas", _POD | {"offset": {"type": ["integer", "null"]}, "time": _TIME, "end": _NUMBER}),
]
