"""The parameters that find something in logs, as OpenAPI describes them: name, schema, description."""

from __future__ import annotations

from typing import Any

SEARCH: list[tuple[str, dict[str, Any], str]] = [
    ("search", {"type": "string", "minLength": 1, "maxLength": 1000}, "Return where this text is instead."),
    ("regex", {"type": "boolean"}, "Whether `search` is a regular expression (RE2)."),
    ("ignoreCase", {"type": "boolean"}, "Whether capital letters are as good as small ones."),
    ("context", {"type": "integer", "minimum": 0, "maximum": 10}, "With `search`: so many lines around it."),
    ("merged", {"type": "boolean"}, "Return the lines of all replicas as one list, in the order of time."),
    (
        "at",
        {"type": "string"},
        "Where the logs are at that time: `10m` ago, or in ISO 8601; with `merged`, from there on.",
    ),
    ("after", {"type": "string"}, "With `search` or `merged`: where to go on, `next` of an earlier answer."),
    ("before", {"type": "string"}, "With `merged`: the lines before that, `first` of an earlier answer."),
    ("limit", {"type": "integer", "minimum": 1, "maximum": 10_000}, "At most so many lines, or matches (1,000)."),
]
