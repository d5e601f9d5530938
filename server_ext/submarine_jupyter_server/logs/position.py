"""Where a follower is, as text that a client may send back: ``1.ps-0:1832,worker-0:77``.

The attempt, then for each replica the offset (bytes) behind the last line it has. Those of many replicas are packed
(``1.~`` and base64 of zlib), because it comes back in a header.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from submarine_jupyter.errors import InvalidRequest

_HINT = "send the id of the last event, or none to begin at the start"
_MAX_CHARS = 32 * 1024
_MAX_UNPACKED = 1024 * 1024
_PACKED_FROM = 8 * 1024
_PACKED = re.compile(r"([0-9]{1,9})\.~([A-Za-z0-9_=-]{1,262144})")
_ONE = r"[a-z]{1,40}-[0-9]{1,9}:[0-9]{1,18}"
_POSITION = re.compile(rf"([0-9]{{1,9}})\.((?:{_ONE}(?:,{_ONE})*)?)")


@dataclass(frozen=True, slots=True)
class Position:
    """An attempt and how far its logs are known."""

    attempt: int
    offsets: Mapping[str, int]

    def __str__(self) -> str:
        text = ",".join(f"{name}:{offset}" for name, offset in self.offsets.items())
        if len(text) > _PACKED_FROM:
            text = "~" + base64.urlsafe_b64encode(zlib.compress(text.encode(), 1)).decode()
        return f"{self.attempt}.{text}"


def parse_position(text: str, name: str = "Last-Event-ID", hint: str = _HINT) -> Position:
    """Read a position back, which came as ``name``. Raises InvalidRequest for anything that no follower has written."""
    plain = _unpacked(text)
    match = _POSITION.fullmatch(plain) if len(plain) <= (_MAX_CHARS if plain is text else _MAX_UNPACKED) else None
    pairs = [one.split(":") for one in match[2].split(",") if one] if match else []
    offsets = {name: int(offset) for name, offset in pairs}
    if match is None or len(offsets) < len(pairs):
        raise InvalidRequest(
            f"{name}: {text[:80]!r} is not a position in a log.",
            hint=hint,
        )
    return Position(int(match[1]), offsets)


def _unpacked(text: str) -> str:
    """Return a packed position as plain text; anything else as it is."""
    packed = _PACKED.fullmatch(text)
    if packed is None:
        return text
    try:
        plain = zlib.decompressobj().decompress(base64.urlsafe_b64decode(packed[2]), _MAX_UNPACKED)
    except (ValueError, zlib.error):
        return text
    return f"{packed[1]}.{plain.decode('ascii', 'replace')}"
