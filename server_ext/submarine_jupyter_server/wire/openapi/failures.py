"""The answers of calls that fail: one for each HTTP status."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

_MEANINGS = {
    400: "The request is invalid; the message says what and where.",
    403: "Authentication is missing, or the caller may not do this.",
    404: "There is no such experiment.",
    409: "The state of the experiment does not allow it.",
    413: "The body is larger than 1 MiB (YAML: 256 KiB).",
    415: "The content type of the body is not supported.",
    416: "The byte range is outside of the log.",
    422: "The Idempotency-Key was used before, with another body.",
    429: "The server has as many open streams as it allows.",
    503: "The server is starting, or cannot reach its storage or its compute target; try again.",
    507: "The disk of the server is full.",
}
ERROR: Json = {
    "type": "object",
    "required": ["status", "code", "success", "message", "result", "attributes"],
    "properties": {
        "status": {"type": "string", "examples": ["NOT_FOUND"]},
        "code": {"type": "integer", "examples": [404]},
        "success": {"const": False},
        "message": {"type": "string", "examples": ["Not found experiment."]},
        "result": {"type": "null"},
        "attributes": {"type": "object", "properties": {"error": {"type": "string"}, "hint": {"type": "string"}}},
    },
}


def responses() -> Json:
    """Return the answer for each status, to be referred to."""
    return {str(code): _response(text) for code, text in _MEANINGS.items()}


def _response(description: str) -> Json:
    return {
        "description": description,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
