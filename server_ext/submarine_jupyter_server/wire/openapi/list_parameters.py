"""The parameters that choose what a list shows: name, schema, meaning."""

from __future__ import annotations

from submarine_jupyter.spec.vocabulary import Status
from submarine_jupyter_server.wire.openapi.operations import Json, query

_TEXT: Json = {"type": "string"}
_EITHER: Json = {"enum": ["true", "false", "any"]}
_LISTED: tuple[tuple[str, Json, str], ...] = (
    ("status", {"type": "array", "items": {"enum": [status.value for status in Status]}}, "Any of these statuses."),
    *((name, _TEXT, f"The {name}.") for name in ("name", "tag", "framework", "target", "owner", "namespace", "cursor")),
    ("notebook", _TEXT, "The path of the notebook it comes from (`runtime.origin`)."),
    ("group", _TEXT, "The group it belongs to (`runtime.group`)."),
    ("archived", _EITHER, "Only archived experiments, or only the others (the default)."),
    ("pinned", _EITHER, "Only pinned experiments, or only the others."),
    ("since", _TEXT, "Accepted since: `7d`, or a time in ISO 8601."),
    ("q", {"type": "string", "maxLength": 200}, "Words, each of them in a name, an id, a tag, a note, a parameter."),
    ("param.NAME", _TEXT, "What parameter NAME is: `adam`, `=0.1`, `!=0.1`, `<0.1`, `>=0.1`."),
    ("metric.NAME", _TEXT, "What metric NAME was last: `>0.9`."),
    ("sort", _TEXT, "A column, `param.NAME` or `metric.NAME`; `-` before it: from high to low."),
    ("limit", {"type": "integer", "minimum": 1, "maximum": 1000}, "The maximum number."),
)


def listed() -> list[Json]:
    """Describe the parameters of every list."""
    return [query(name, schema, text) for name, schema, text in _LISTED]
