"""The paths of logs."""

from __future__ import annotations

from submarine_jupyter_server.wire.openapi.list_parameters import listed
from submarine_jupyter_server.wire.openapi.log_search import RESULTS, SEARCH
from submarine_jupyter_server.wire.openapi.operations import PATH_ID, Json, header, operation, query


def paths(log: Json) -> Json:
    """Describe the calls that read logs; ``log`` is the schema of one."""
    found = {"anyOf": [log, *RESULTS]}
    lines = operation("Return, search, merge, follow or download the logs of an experiment", found, 400, 404, 416, 429)
    partial = {"description": "A range of the bytes.", "content": {"text/plain": {"schema": {"type": "string"}}}}
    lines["responses"]["206"] = partial
    lines["responses"]["200"]["content"] |= {
        "text/event-stream": {"schema": {"type": "string"}},
        "text/plain": {"schema": {"type": "string"}},
    }
    parameters = [
        query("tail", {"type": "integer", "minimum": 0, "maximum": 1_000_000}, "The newest lines only."),
        query("since", {"type": "string"}, "Only lines since: `10m`, or a time in ISO 8601."),
        query("replica", {"type": "string"}, "One replica only, such as `worker-0`."),
        query("attempt", {"type": "integer", "minimum": 1}, "An attempt other than the last."),
        query("follow", {"type": "boolean"}, "Stream the lines as they come (text/event-stream)."),
        query("lastEventId", {"type": "string"}, "Where to continue following."),
        header("Last-Event-ID", "Where to continue following."),
        query("format", {"enum": ["raw"]}, "`raw`: the bytes as they were written (text/plain)."),
        query("download", {"type": "boolean"}, "As `format=raw`, as a file."),
        header("Range", "With `format=raw`: the bytes wanted, such as `bytes=0-1023`."),
        *(query(name, schema, text) for name, schema, text in SEARCH),
    ]
    names = operation("List logs by name", {"type": "array", "items": log}, 400)
    return {
        "/experiment/logs": {"get": names | {"parameters": listed()}},
        "/experiment/logs/{id}": {"parameters": [PATH_ID], "get": lines | {"parameters": parameters}},
    }
