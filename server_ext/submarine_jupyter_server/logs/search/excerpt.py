"""A place in a log as a person sees it: its line without colours, and the lines around."""

from __future__ import annotations

from dataclasses import dataclass

from submarine_jupyter_server.logs.archive import Chunk, ReplicaLog
from submarine_jupyter_server.logs.lines.plain import Plain
from submarine_jupyter_server.logs.lines.view import shown

SIDE_BYTES = 500
_CONTEXT_BYTES = 32 * 1024
_ELLIPSIS = "…"


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The line of a place, which is at characters ``column`` to ``column + length``; lines that are long are cut."""

    line: str
    column: int
    length: int
    before: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def chars(self) -> int:
        """How long all of it is."""
        return sum(map(len, (self.line, *self.before, *self.after)))


def excerpt(log: ReplicaLog, offset: int, stop: int, context: int = 0) -> Excerpt:
    """Return the line of the bytes ``offset`` to ``stop``, and ``context`` lines before and after. Raises OSError."""
    reach = _CONTEXT_BYTES if context else SIDE_BYTES + 1
    chunk = _around(log, offset, stop, reach)
    raw, first, behind = chunk.data, offset - chunk.offset, min(stop, chunk.stop) - chunk.offset
    begin = max(raw.rfind(b"\n", 0, first), raw.rfind(b"\r", 0, first)) + 1
    end = min(at for at in (raw.find(b"\n", behind), raw.find(b"\r", behind), len(raw)) if at >= 0)
    head, found = _head(raw[begin:first]), _text(raw[first : min(behind, first + 2 * SIDE_BYTES)])
    rest = _tail(raw[behind:end])
    if not context:
        return Excerpt(head + found + rest, len(head), len(found), (), ())
    above, _, _ = raw[:first].rpartition(b"\n")
    _, _, below = raw[behind:].partition(b"\n")
    before = above.split(b"\n")[-context:] if above else []
    after = below.removesuffix(b"\n").split(b"\n")[:context] if below else []
    return Excerpt(head + found + rest, len(head), len(found), tuple(map(_line, before)), tuple(map(_line, after)))


def _around(log: ReplicaLog, offset: int, stop: int, reach: int) -> Chunk:
    """Return the bytes from ``offset`` to ``stop`` and up to ``reach`` more on both sides, without a hole between."""
    start = max(offset - reach, 0)
    for piece in log.pieces(start, stop + reach, stop + reach - start):
        if isinstance(piece, Chunk) and piece.offset <= offset < piece.stop:
            return piece
    return Chunk(offset, b"")  # removed meanwhile


def _head(raw: bytes) -> str:
    if len(raw) <= SIDE_BYTES:
        return _text(raw)
    # The rest of a character that was cut is left out.
    return _ELLIPSIS + _text(raw[-SIDE_BYTES:].lstrip(bytes(range(0x80, 0xC0))))


def _tail(raw: bytes) -> str:
    if len(raw) <= SIDE_BYTES:
        return _text(raw)
    return _text(raw[:SIDE_BYTES]).rstrip("\ufffd") + _ELLIPSIS


def _line(raw: bytes) -> str:
    return _tail(raw.rstrip(b"\r").rpartition(b"\r")[2])


def _text(raw: bytes) -> str:
    return shown(Plain(raw).text)
