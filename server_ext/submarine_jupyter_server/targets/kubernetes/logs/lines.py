"""Take the stamps off a log that was asked for with ``timestamps=true``.

Each line comes as an RFC 3339 time, a space and the bytes the container wrote; the container runtime's parts of long
lines are joined by the kubelet and bear one stamp. Only the newline ends a line: a lone carriage return does not.
"""

from __future__ import annotations

import re
from datetime import datetime

# In place of a time: more of the line before, and the beginning of a line without a stamp.
MORE = -1
UNSTAMPED = -2
Line = tuple[int, bytes]

_STAMP = re.compile(
    rb"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_LONGEST_STAMP = 35
_UTC_STAMP = len("2026-01-31T12:00:00.000000000Z")


class StampedLines:
    """Cuts chunks, however they are cut themselves, into (Unix time in ns, bytes); belongs to one answer.

    A line that is not complete yet comes in pieces, the first with its time, the others with ``MORE``.
    """

    def __init__(self) -> None:
        self._held = b""
        self._within = False
        self._second = b""
        self._second_ns = 0

    def feed(self, data: bytes) -> list[Line]:
        """Return what the next chunk adds."""
        found: list[Line] = []
        if self._within:
            end = data.find(b"\n") + 1
            self._within = end == 0
            found.append((MORE, data[:end] if end else data))
            if self._within:
                return found
            data = data[end:]
        elif self._held:
            data = self._held + data
        *lines, last = data.split(b"\n")
        for line in lines:
            at, text = self._take(line)
            found.append((at, text + b"\n"))
        self._held = last
        if self._begins(last):
            found.append(self._take(last))
            self._held, self._within = b"", True
        return found

    def _begins(self, line: bytes) -> bool:
        """Return whether there is enough of an incomplete line: its stamp and more, or too much for a stamp."""
        space = line.find(b" ", 0, _LONGEST_STAMP + 1)
        return 0 <= space < len(line) - 1 or len(line) > _LONGEST_STAMP

    def _take(self, line: bytes) -> Line:
        if line[:19] == self._second and line[_UTC_STAMP - 1 : _UTC_STAMP + 1] == b"Z ":
            fraction = line[20:29]
            if fraction.isdigit():
                return self._second_ns + int(fraction), line[_UTC_STAMP + 1 :]
        stamp, space, text = line.partition(b" ")
        at_ns = _nanoseconds(stamp) if space else None
        if at_ns is None:
            return UNSTAMPED, line
        if stamp.endswith(b"Z"):
            self._second, self._second_ns = line[:19], at_ns - at_ns % 1_000_000_000
        return at_ns, text


def _nanoseconds(stamp: bytes) -> int | None:
    """Return an RFC 3339 time as Unix time in ns, None for anything else and what was before 1970."""
    match = _STAMP.fullmatch(stamp)
    if match is None:
        return None
    try:
        second = datetime.fromisoformat((match[1] + match[3]).decode())
    except ValueError:
        return None
    at_ns = int(second.timestamp()) * 1_000_000_000 + int((match[2] or b"").ljust(9, b"0"))
    return at_ns if at_ns >= 0 else None
