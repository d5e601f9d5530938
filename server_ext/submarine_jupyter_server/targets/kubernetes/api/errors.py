"""How a request to the API server fails: it said no, or nobody knows."""

from __future__ import annotations

import json
from typing import Any, Self

# So much of an answer that is no Status, a page of a proxy perhaps, is worth telling.
_EXCERPT = 500


class ApiError(Exception):
    """The API server answered with an error.

    ``status`` is the HTTP status. ``reason`` and ``message`` are those of its ``Status`` object (``AlreadyExists``,
    ``Expired``); without one the reason is empty and the message the beginning of what came. ``retry_after`` is the
    wait in seconds it asked for.
    """

    def __init__(self, status: int, reason: str = "", message: str = "", retry_after: float | None = None) -> None:
        super().__init__(f"{message or 'no message'} ({' '.join(filter(None, (f'HTTP {status}', reason)))})")
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after

    @classmethod
    def of(cls, status: int, body: bytes, retry_after: str | None = None) -> Self:
        """Read an answer; ``retry_after`` is the header of that name."""
        found = _status_object(body)
        if found is None:
            text = body[: 4 * _EXCERPT].decode(errors="replace").strip()[:_EXCERPT]
            return cls(status, "", text, _seconds(retry_after))
        details = found.get("details")
        wait = retry_after or (details.get("retryAfterSeconds") if isinstance(details, dict) else None)
        return cls(status, str(found.get("reason") or ""), str(found.get("message") or ""), _seconds(wait))


class Unreachable(Exception):
    """There was no whole answer (no connection, a time-out, a cut): the request may or may not have been executed."""


class BadCredentials(Unreachable):
    """The credentials cannot be read or renewed; nothing was sent."""


def _status_object(body: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and found.get("kind") == "Status" else None


def _seconds(value: object) -> float | None:
    text = str(value)
    return float(text) if text.isascii() and text.isdigit() and len(text) < 6 else None
