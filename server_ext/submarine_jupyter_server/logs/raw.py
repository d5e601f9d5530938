"""The bytes of logs, unchanged: by range for one replica, or all replicas as one text to download."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from submarine_jupyter_server.logs.archive import Gap, LogArchive, LogSnapshot, Piece, ReplicaLog

CHUNK_BYTES = 256 * 1024
MAX_GAPS = 100
_RANGE = re.compile(r"bytes[ \t]*=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes ``start`` to ``stop`` (exclusive) of ``size``."""

    start: int
    stop: int
    size: int

    @property
    def content_range(self) -> str:
        """The value of the header of that name for a 206."""
        return f"bytes {self.start}-{self.stop - 1}/{self.size}"


@dataclass(frozen=True, slots=True)
class Unsatisfiable:
    """A range outside of the ``size`` bytes: answered with 416."""

    size: int

    @property
    def content_range(self) -> str:
        """The value of the header of that name for a 416."""
        return f"bytes */{self.size}"


@dataclass(frozen=True, slots=True)
class WantedBytes:
    """What a Range header asks for, before the size is known: from ``first`` to ``last``, or the ``last`` bytes."""

    first: int | None
    last: int | None

    def within(self, size: int) -> ByteRange | Unsatisfiable:
        """Return the bytes that this means in a log of ``size`` bytes."""
        if self.first is None:
            count = min(self.last or 0, size)
            return ByteRange(size - count, size, size) if count else Unsatisfiable(size)
        if self.first >= size:
            return Unsatisfiable(size)
        return ByteRange(self.first, size if self.last is None else min(self.last + 1, size), size)

    def __str__(self) -> str:
        """Return it as the header has it."""
        return "bytes=" + "-".join("" if place is None else str(place) for place in (self.first, self.last))


def parse_range(header: str | None) -> WantedBytes | None:
    """Read a Range header (RFC 9110, section 14.2): ``bytes=a-b``, ``bytes=a-`` or ``bytes=-n``.

    None means the whole: there is no header, it is malformed, or it asks for something we do not serve
    (several ranges, another unit), which the RFC lets a server ignore.
    """
    match = _RANGE.fullmatch(header) if header else None
    if match is None or not (match[1] or match[2]):
        return None
    first, last = (int(text) if text else None for text in match.groups())
    if first is not None and last is not None and last < first:
        return None
    return WantedBytes(first, last)


def gaps_text(snapshot: LogSnapshot, start: int = 0, stop: int | None = None) -> str:
    """Return the gaps that touch ``start`` to ``stop`` (None: the end) as ``first-last, first-last, ...`` (bytes)."""
    stop = snapshot.end if stop is None else stop
    touched = [(first, behind) for first, behind in snapshot.gaps() if first < stop and behind > start]
    ranges = [f"{first}-{behind - 1}" for first, behind in touched[:MAX_GAPS]]
    return ", ".join(ranges + ["..."] * (len(touched) > MAX_GAPS))


def kept(snapshot: LogSnapshot, wanted: ByteRange) -> ByteRange | Unsatisfiable:
    """Return the first bytes of ``wanted`` that lie together without a hole, at most up to its end.

    A 206 may be a part of what was asked for (RFC 9110, section 15.3.7): its Content-Range tells.
    """
    run: ByteRange | None = None
    for segment in snapshot.segments:
        start, stop = max(segment.start, wanted.start), min(segment.end, wanted.stop)
        if start >= stop:
            continue
        if run is not None and run.stop != start:
            break
        run = ByteRange(run.start if run else start, stop, wanted.size)
    return run or Unsatisfiable(wanted.size)


async def pieces(archive: LogArchive, log: ReplicaLog, start: int, stop: int) -> AsyncGenerator[Piece, None]:
    """Yield all that stands from ``start`` to ``stop``, gaps included, each piece read in a thread. Raises OSError."""
    found = log.pieces(start, stop, CHUNK_BYTES)
    while (piece := await archive.run(next, found, None)) is not None:
        yield piece


async def exact(archive: LogArchive, log: ReplicaLog, start: int, stop: int) -> AsyncGenerator[bytes, None]:
    """Yield the bytes ``start`` to ``stop`` and nothing else. Raises OSError, also when some are removed meanwhile."""
    async with aclosing(pieces(archive, log, start, stop)) as found:
        async for piece in found:
            if isinstance(piece, Gap):
                raise FileNotFoundError(
                    f"Bytes {piece.offset} to {piece.stop} of the log of {log.pod_name} are no longer kept."
                )
            yield piece.data


async def text(archive: LogArchive, log: ReplicaLog, stop: int) -> AsyncGenerator[bytes, None]:
    """Yield the bytes of a log before ``stop``, with a line of its own where bytes are missing. Raises OSError."""
    line_ended = True
    async with aclosing(pieces(archive, log, 0, stop)) as found:
        async for piece in found:
            if isinstance(piece, Gap):
                yield _heading(f"{piece.stop - piece.offset} bytes are missing here", line_ended)
                line_ended = True
            else:
                yield piece.data
                line_ended = piece.data.endswith(b"\n")


async def download(archive: LogArchive, logs: Sequence[ReplicaLog]) -> AsyncGenerator[bytes, None]:
    """Yield the logs as one text, each under ``==> worker-0 <==``; one that cannot be read hides no other.

    What is written after the download of a replica has begun is left out.
    """
    line_ended = True
    for log in logs:
        yield _heading(log.name, line_ended)
        line_ended = True
        try:
            await archive.run(log.path.lstat)
            snapshot = await archive.run(log.snapshot)
            async with aclosing(text(archive, log, snapshot.end)) as found:
                async for data in found:
                    yield data
                    line_ended = data.endswith(b"\n")
        except OSError as error:
            yield _heading(f"the log cannot be read: {error.strerror or error}", line_ended)
            line_ended = True


def _heading(text: str, line_ended: bool) -> bytes:
    return (b"" if line_ended else b"\n") + f"==> {text} <==\n".encode()
