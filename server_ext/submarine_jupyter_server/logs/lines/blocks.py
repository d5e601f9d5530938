"""The next whole lines of a log from a position, at most 256 KiB and 4,000 lines at a time.

Only whole lines move the position, so that a follower who comes back with it misses nothing and sees
nothing twice. An unfinished line becomes a line when no byte of it can come any more: before a hole, or at
the end of the log.
"""

from __future__ import annotations

from dataclasses import dataclass

from submarine_jupyter_server.logs.archive import Chunk, Gap, ReplicaLog
from submarine_jupyter_server.logs.lines.screen import ScreenRow, moves_up, taken
from submarine_jupyter_server.logs.lines.view import LineView, lines_json

BLOCK_BYTES = 256 * 1024
BLOCK_LINES = 4000
# Rows that are written over are put together in Python, again with each line that comes: few of them at a time.
SCREEN_BYTES = 64 * 1024
# What is shown of an unfinished line is read again and again: only while it is short.
_UNFINISHED_BYTES = 1024 * 1024
_LIVE_CHARS = 400


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that begin at offset ``start`` and end before ``position``; ``hole`` (from, to) follows them.

    ``lines`` is their list as JSON, made once and off the event loop for all followers; empty where there is none.
    Between ``position`` and ``scanned`` there is no end of a line. ``live`` are rows behind ``position`` that are still
    written over.
    """

    start: int
    lines: str
    position: int
    scanned: int
    hole: tuple[int, int] | None = None
    live: tuple[str, ...] = ()


def read_block(log: ReplicaLog, position: int, scanned: int, final: bool) -> Block:
    """Return what follows ``position``, knowing that no line ends before ``scanned``.

    ``final`` says that the log does not grow any more: then its unfinished last line counts.
    """
    chunk = log.read(scanned, BLOCK_BYTES)
    if isinstance(chunk, Gap):
        lines = _lines(log, position, scanned, b"") if position < scanned else []
        return Block(position, lines_json(lines), chunk.stop, chunk.stop, (scanned, chunk.stop))
    if moves_up(chunk.data):
        chunk = Chunk(chunk.offset, chunk.data[:SCREEN_BYTES])
    if moves_up(chunk.data) and scanned - position <= SCREEN_BYTES:
        whole = log.read(position, SCREEN_BYTES)
        if isinstance(whole, Chunk) and whole.data:
            block = _rows(log, whole, final)
            # One endless line that goes up is read on as any other is.
            if block.position > position or len(whole.data) < SCREEN_BYTES:
                return block
    stop = _stop(chunk.data)
    if stop == 0 and not (final and not chunk.data and position < scanned):
        return Block(position, "", position, scanned + len(chunk.data))
    lines = _lines(log, position, scanned, chunk.data[:stop])
    return Block(position, lines_json(lines), scanned + stop, scanned + stop)


def _rows(log: ReplicaLog, chunk: Chunk, final: bool) -> Block:
    """Return the rows that are not written over any more, and those that may be, behind the new position.

    The position is where the lines begin that wrote the latter. They may fill half a block: what was not written again
    for so long counts as a line.
    """
    screen, starts = taken(chunk.data, chunk.offset)
    behind = log.read(chunk.stop, 1)
    if isinstance(behind, Gap) or (final and not behind.data):
        rows = [row for row in (*screen.settled, *screen.rows) if row.kept]
        if chunk.data.endswith(b"\n") and rows and rows[-1].text == b"":
            rows.pop()
        return _block(chunk.offset, rows, chunk.stop)
    oldest = chunk.stop - SCREEN_BYTES // 2
    done, live = [*screen.settled, *screen.rows[: screen.live]], screen.rows[screen.live :]
    if not live:
        # The last row is an unfinished line.
        done, live = done[:-1], done[-1:]
        return _block(chunk.offset, [row for row in done if row.kept], starts[-1], chunk.stop)
    done += [row for row in live if starts[row.written] < oldest and row.text]
    live = [row for row in live if starts[row.written] >= oldest]
    # Behind all that is settled now, else at the first line that a row which is still written over needs.
    settled = max((row.written + 1 for row in done), default=0)
    first = max(min((row.written for row in live if row.text), default=len(starts) - 1), settled)
    first = min(first, len(starts) - 1)
    shown = tuple(row.shown[:_LIVE_CHARS] for row in live if row.text.strip())
    return _block(chunk.offset, [row for row in done if row.kept], starts[first], live=shown)


def _block(start: int, rows: list[ScreenRow], position: int, scanned: int = 0, live: tuple[str, ...] = ()) -> Block:
    return Block(start, lines_json([row.shown for row in rows]), position, max(scanned, position), live=live)


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
