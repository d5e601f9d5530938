"""The paths of what the server says of itself: ping, targets, this document."""

from __future__ import annotations

from submarine_jupyter_server.wire.openapi.operations import Json, failures, operation, query

_TARGET = {
    "type": "object",
    "required": ["name", "kind", "default", "namespaces", "health"],
    "properties": {
        "name": {"type": "string", "examples": ["local"]},
        "kind": {"enum": ["local", "kubernetes"]},
        "default": {"type": "boolean", "description": "Whether experiments that name no target run here."},
        "namespaces": {
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
            "description": "The first by default.",
        },
        "health": {"type": ["object", "null"], "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]},
        "capacity": {
            "type": ["object", "null"],
            "description": "What the target has, and what of that is free; null if unknown.",
        },
        "note": {"type": "string", "description": "Why the capacity is unknown, or why it is old."},
        "age": {
            "type": "number",
            "description": "How old the capacity is (s), where the server that knows it does not answer.",
        },
    },
}


def paths() -> Json:
    """Describe the calls that ask about the server."""
    capacity = query("capacity", {"type": "boolean"}, "Whether to include the capacity (the default).")
    targets = operation("List the compute targets", {"type": "array", "items": _TARGET}, 400)
    document = {"description": "The OpenAPI document.", "content": {"application/json": {"schema": {"type": "object"}}}}
    return {
        "/experiment/ping": {"get": operation("Check that the server is alive", {"const": "Pong"}, 400)},
        "/target": {"get": targets | {"parameters": [capacity]}},
        "/openapi.json": {"get": {"summary": "Return this document", "responses": {"200": document, **failures(400)}}},
    }
