"""What every operation of the document is made of: its answer, its errors, its parameters."""

from __future__ import annotations

from typing import Any

from submarine_jupyter.spec import experiment_ids

Json = dict[str, Any]

WRITE = (503, 507)
"""The errors of what stores something, beside those of every operation."""
BODY = (400, 413, 415)
"""The errors of what takes a body."""
PATH_ID: Json = {
    "name": "id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": f"^{experiment_ids.PATTERN}$"},
}


def operation(summary: str, result: Json, *codes: int) -> Json:
    """Describe a call that answers ``result`` in the envelope, or fails with one of ``codes``, 403 or 503."""
    envelope = {
        "type": "object",
        "required": ["status", "code", "success", "message", "result", "attributes"],
        "properties": {
            "status": {"const": "OK"},
            "code": {"const": 200},
            "success": {"const": True},
            "message": {"type": "null"},
            "result": result,
            "attributes": {"type": "object"},
        },
    }
    found = {"description": "Done.", "content": {"application/json": {"schema": envelope}}}
    return {"summary": summary, "responses": {"200": found, **failures(*codes)}}


def stream(summary: str, *codes: int) -> Json:
    """Describe a call that answers server-sent events, or fails with one of ``codes``, 403, 429 or 503."""
    events = {"description": "Server-sent events.", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
    return {"summary": summary, "responses": {"200": events, **failures(*codes, 429)}}


def failures(*codes: int) -> Json:
    """Refer to the answers for ``codes``, and for those that every operation may give."""
    return {str(code): {"$ref": f"#/components/responses/{code}"} for code in sorted({*codes, 403, 503})}


def query(name: str, schema: Json, description: str) -> Json:
    """Describe a parameter of the URL."""
    return {"name": name, "in": "query", "description": description, "schema": schema}


def header(name: str, description: str, pattern: str | None = None) -> Json:
    """Describe a header of the request, and what its value looks like."""
    schema = {"type": "string"} if pattern is None else {"type": "string", "pattern": pattern}
    return {"name": name, "in": "header", "description": description, "schema": schema}
