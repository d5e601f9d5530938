"""Read parameters of URLs. What is misspelt is refused, never passed over: it must not look like an empty result."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from datetime import datetime

from submarine_jupyter.errors import InvalidRequest
from submarine_jupyter.spec import durations

QueryString = Mapping[str, list[str]]
MOST = 10**18 - 1


def only(values: Iterable[str], *names: str) -> None:
    """Refuse a parameter that is not in ``names``. Raises InvalidRequest."""
    for name in values:
        if name not in names:
            known = f"known: {', '.join(names)}" if names else "this URL takes none"
            raise InvalidRequest(f"Unknown parameter {name[:80]!r}; {known}.")


def one(values: QueryString, name: str) -> str | None:
    """Return a parameter, None if it is absent or empty. Raises InvalidRequest if it is given twice."""
    found = values.get(name, [])
    if len(found) > 1:
        raise InvalidRequest(f"{name!r} may be given only once.")
    return found[0] if found and found[0] else None


def several(values: QueryString, name: str, most: int) -> tuple[str, ...]:
    """Return a parameter that may be given again, or with commas between its values. Raises InvalidRequest."""
    found = tuple(dict.fromkeys(part for text in values.get(name, []) for part in text.split(",") if part))
    if len(found) > most:
        raise InvalidRequest(f"{name!r} may have {most} values, not {len(found):,}.")
    return found


def number(text: str | None, name: str, least: int = 0, most: int = MOST) -> int | None:
    """Return a whole number in a range, None for None. Raises InvalidRequest."""
    if text is None:
        return None
    if not re.fullmatch("[0-9]{1,18}", text) or not least <= int(text) <= most:
        within = "" if (least, most) == (0, MOST) else f" from {least} to {most}"
        raise InvalidRequest(f"{name!r} must be a whole number{within}, not {text[:80]!r}.")
    return int(text)


def whole(values: QueryString, name: str, least: int = 0, most: int = MOST) -> int | None:
    """Return a parameter that is a whole number, None if it is absent. Raises InvalidRequest."""
    return number(one(values, name), name, least, most)


def flag(values: QueryString, name: str) -> bool:
    """Return a parameter that is true or false (default). Raises InvalidRequest."""
    text = one(values, name)
    if text not in (None, "true", "false"):
        raise InvalidRequest(f"{name!r} must be true or false, not {text[:80]!r}.")
    return text == "true"


def moment(text: str | None, name: str) -> float | None:
    """Return the Unix time (s) of ``10m`` ago, or of an ISO 8601 time. Raises InvalidRequest."""
    if text is None:
        return None
    if (ago := durations.seconds(text)) is not None:
        return time.time() - ago
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise InvalidRequest(
            f"'{name}' must be like 30s, 10m, 2h, 1d, or a time like 2026-01-31T12:00:00Z, not '{text[:40]}'"
        ) from None
