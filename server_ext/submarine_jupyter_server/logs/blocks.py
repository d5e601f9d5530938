"""The next whole lines of a log from a position, at most 64 KiB and 1,000 lines at a time.

Only whole lines move the position, so that a follower who comes back with it misses nothing and sees
nothing twice. An unfinished line becomes a line when no byte of it can come any more: before a hole, or at
the end of the log.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from submarine_jupyter_server.logs.archive import Gap, ReplicaLog
from submarine_jupyter_server.logs.view import LineView

BLOCK_BYTES = 64 * 1024
BLOCK_LINES = 1000
# What is shown of an unfinished line is read again and again: only while it is short.
_UNFINISHED_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that begin at offset ``start`` and end before ``position``; ``hole`` (from, to) follows them.

    ``text`` is the list of lines as JSON, made once and off the event loop for all followers. Between ``position``
    and ``scanned`` there is no end of a line.
    """

    start: int
    lines: list[str]
    text: str
    position: int
    scanned: int
    hole: tuple[int, int] | None = None


def read_block(log: ReplicaLog, position: int, scanned: int, final: bool) -> Block:
    """Return what follows ``position``, knowing that no line ends before ``scanned``.

    ``final`` says that the log does not grow any more: then its unfinished last line counts.
    """
    chunk = log.read(scanned, BLOCK_BYTES)
    if isinstance(chunk, Gap):
        lines = _lines(log, position, scanned, b"") if position < scanned else []
        return Block(position, lines, json.dumps(lines), chunk.stop, chunk.stop, (scanned, chunk.stop))
    stop = _stop(chunk.data)
    if stop == 0 and not (final and not chunk.data and position < scanned):
        return Block(position, [], "[]", position, scanned + len(chunk.data))
    lines = _lines(log, position, scanned, chunk.data[:stop])
    return Block(position, lines, json.dumps(lines), scanned + stop, scanned + stop)


def unfinished(log: ReplicaLog, position: int, scanned: int) -> str:
    """Return the line from ``position`` to ``scanned`` as it looks now, empty when it is very long."""
    if scanned - position > _UNFINISHED_BYTES:
        return ""
    return "".join(_lines(log, position, scanned, b""))


def _stop(data: bytes) -> int:
    """Return where the last whole line ends, 0 when there is none."""
    stop = data.rfind(b"\n") + 1
    if data.count(b"\n") <= BLOCK_LINES:
        return stop
    at = 0
    for _ in range(BLOCK_LINES):
        at = data.find(b"\n", at) + 1
    return at


def _lines(log: ReplicaLog, position: int, scanned: int, data: bytes) -> list[str]:
    """Return the lines from ``position`` to ``scanned`` and on through ``data``, the last one as it is."""
    view = LineView()
    for piece in log.pieces(position, scanned, BLOCK_BYTES):
        if isinstance(piece, Gap):
            break  # what was there a moment ago was removed; the gap is told when the line is read
        view.feed(piece.data)
    return view.feed(data) if data else [view.rest()]
