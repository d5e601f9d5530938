"""The paths of what stays open: server-sent events, and the WebSocket of a tab."""

from __future__ import annotations

from submarine_jupyter_server.wire.openapi.operations import PATH_ID, Json, failures, header, query, stream


def paths() -> Json:
    """Describe the streams."""
    last = [
        query("lastEventId", {"type": "integer", "minimum": 0}, "Begin after this event."),
        header("Last-Event-ID", "Begin after this event.", r"^[0-9]{1,18}$"),
    ]
    return {
        "/experiment/events": {
            "get": stream("Follow the state changes of all experiments", 400) | {"parameters": last}
        },
        "/experiment/stream": {
            "get": {
                "summary": "A WebSocket for rows, points and logs; docs/rest-api.md has its frames",
                "responses": {"101": {"description": "The socket is open."}, **failures(400, 429)},
            }
        },
        "/experiment/{id}/events": {
            "parameters": [PATH_ID],
            "get": stream("Follow the state changes of one experiment", 400, 404) | {"parameters": last},
        },
    }
