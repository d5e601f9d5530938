"""Where a follower is, as text that a client may send back: ``1.ps-0:1832,worker-0:77``.

The attempt, then for each replica the offset (bytes) behind the last line it has.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from submarine_jupyter.errors import InvalidRequest

_MAX_CHARS = 32 * 1024
_ONE = r"[a-z]{1,40}-[0-9]{1,9}:[0-9]{1,18}"
_POSITION = re.compile(rf"([0-9]{{1,9}})\.((?:{_ONE}(?:,{_ONE})*)?)")


@dataclass(frozen=True, slots=True)
class Position:
    """An attempt and how far its logs are known."""

    attempt: int
    offsets: Mapping[str, int]

    def __str__(self) -> str:
        return f"{self.attempt}." + ",".join(f"{name}:{offset}" for name, offset in self.offsets.items())


def parse_position(text: str) -> Position:
    """Read a position back. Raises InvalidRequest for anything that no follower has written."""
    match = _POSITION.fullmatch(text) if len(text) <= _MAX_CHARS else None
    pairs = [one.split(":") for one in match[2].split(",") if one] if match else []
    offsets = {name: int(offset) for name, offset in pairs}
    if match is None or len(offsets) < len(pairs):
        raise InvalidRequest(
            f"Last-Event-ID: {text[:80]!r} is not a position in a log.",
            hint="send the id of the last event, or none to begin at the start",
        )
    return Position(int(match[1]), offsets)
