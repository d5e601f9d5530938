"""Read fields of raw JSON from the API server: what is missing, or of another type than documented, is not said."""

from __future__ import annotations

from datetime import datetime
from typing import Any

Json = dict[str, Any]

_LONGEST = 2000
# The kubelet keeps this much of the end of a log as the message of a crash.
_LONGEST_TAIL = 4096
MOST = 50


def as_object(raw: object) -> Json:
    """Return JSON as an object. Raises ValueError if it is none."""
    if not isinstance(raw, dict):
        raise ValueError("is not an object")
    return raw


def parts(raw: object) -> tuple[Json, Json, Json]:
    """Return metadata, spec and status. Raises ValueError if it is no object."""
    found = as_object(raw)
    return part(found, "metadata"), part(found, "spec"), part(found, "status")


def part(found: Json, name: str) -> Json:
    """Return a field that is an object, else an empty one."""
    value = found.get(name)
    return value if isinstance(value, dict) else {}


def items(found: Json, name: str) -> list[Json]:
    """Return the objects in a list, up to 50."""
    value = found.get(name)
    return [item for item in value[:MOST] if isinstance(item, dict)] if isinstance(value, list) else []


def text(found: Json, name: str) -> str:
    """Return a field that is text, its first 2,000 characters."""
    value = found.get(name)
    return value[:_LONGEST] if isinstance(value, str) else ""


def tail(found: Json) -> str:
    """Return the end of a message."""
    value = found.get("message")
    return value[-_LONGEST_TAIL:] if isinstance(value, str) else ""


def need(found: Json, name: str) -> str:
    """Return a field that is text. Raises ValueError if there is none."""
    if not (value := text(found, name)):
        raise ValueError(f"has no {name}")
    return value


def number(value: object) -> int | None:
    """Return a whole number as JSON can hold it, else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53 else None


def count(value: object) -> int:
    """Return a number of things, also from text; 0 for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    return max(number(value) or 0, 0)


def time_ms(value: object) -> int | None:
    """Return RFC 3339 text as Unix milliseconds; a container that never started has the year 1970."""
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    ms = 0 if at.tzinfo is None else int(at.timestamp() * 1000)
    return ms if ms > 0 else None
