"""The bytes of logs, unchanged: by range for one replica, or all replicas as one text to download."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from submarine_jupyter_server.logs.archive import Chunk, LogArchive, ReplicaLog

CHUNK_BYTES = 256 * 1024
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


def parse_range(header: str | None, size: int) -> ByteRange | Unsatisfiable | None:
    """Read a Range header (RFC 9110, section 14.2): ``bytes=a-b``, ``bytes=a-`` or ``bytes=-n``.

    None means the whole: there is no header, it is malformed, or it asks for something we do not serve
    (several ranges, another unit), which the RFC lets a server ignore.
    """
    match = _RANGE.fullmatch(header) if header else None
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        count = min(int(match[2]), size)
        return ByteRange(size - count, size, size) if count else Unsatisfiable(size)
    start = int(match[1])
    if match[2] and int(match[2]) < start:
        return None
    if start >= size:
        return Unsatisfiable(size)
    return ByteRange(start, min(int(match[2]) + 1, size) if match[2] else size, size)


def kept(log: ReplicaLog, wanted: ByteRange) -> ByteRange | Unsatisfiable:
    """Return the first bytes of ``wanted`` that lie together without a hole, at most up to its end.

    A 206 may be a part of what was asked for (RFC 9110, section 15.3.7): its Content-Range tells.
    """
    run: ByteRange | None = None
    for segment in log.look().segments:
        start, stop = max(segment.start, wanted.start), min(segment.end, wanted.stop)
        if start >= stop:
            continue
        if run is not None and run.stop != start:
            break
        run = ByteRange(run.start if run else start, stop, wanted.size)
    return run or Unsatisfiable(wanted.size)


async def chunks(archive: LogArchive, log: ReplicaLog, start: int, stop: int) -> AsyncGenerator[Chunk, None]:
    """Yield the bytes kept from ``start`` to ``stop``; behind a hole a chunk begins later."""
    while start < stop:
        chunk = await archive.run(log.read, start, min(CHUNK_BYTES, stop - start))
        data = chunk.data[: max(stop - chunk.offset, 0)]
        if not data:
            return
        yield Chunk(chunk.offset, data)
        start = chunk.offset + len(data)


async def download(archive: LogArchive, logs: Sequence[ReplicaLog]) -> AsyncGenerator[bytes, None]:
    """Yield the logs as one text, each under ``==> worker-0 <==``, with a line where bytes are missing.

    What is written after the download of a replica has begun is left out.
    """
    line_ended = True
    for log in logs:
        yield _heading(log.name, line_ended)
        line_ended, at = True, 0
        end = (await archive.run(log.look)).end
        async with aclosing(chunks(archive, log, 0, end)) as found:
            async for chunk in found:
                if chunk.offset > at:
                    yield _heading(f"{chunk.offset - at} bytes are missing here", line_ended)
                yield chunk.data
                line_ended, at = chunk.data.endswith(b"\n"), chunk.offset + len(chunk.data)
        if at < end:
            yield _heading(f"{end - at} bytes are missing here", line_ended)
            line_ended = True


def _heading(text: str, line_ended: bool) -> bytes:
    return (b"" if line_ended else b"\n") + f"==> {text} <==\n".encode()
