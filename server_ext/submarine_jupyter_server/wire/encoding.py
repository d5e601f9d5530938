"""Values as the text of answers: compact JSON, times in the zone of the server."""

from __future__ import annotations

import json
import time

_encode = json.JSONEncoder(separators=(",", ":")).encode


def json_text(value: object) -> str:
    """Return compact JSON."""
    return _encode(value)


def time_text(ms: int | None) -> str | None:
    """Return ``2022-03-14T16:03:10.000+08:00`` in the server's zone for Unix milliseconds."""
    if ms is None:
        return None
    # A list has thousands of them, and this takes a third of the time of datetime.
    second, thousandth = divmod(ms, 1000)
    at = time.localtime(second)
    sign, offset = "-" if at.tm_gmtoff < 0 else "+", abs(at.tm_gmtoff) // 60
    return (
        f"{at.tm_year:04}-{at.tm_mon:02}-{at.tm_mday:02}T{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02}"
        f".{thousandth:03}{sign}{offset // 60:02}:{offset % 60:02}"
    )
