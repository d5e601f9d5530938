"""Search whole logs, in steps: what was found and where to go on.

A log is read from its beginning in blocks, so its size does not matter for the memory. Lines are those of ``plain``: a
match is found across the borders of blocks and files, but not across lost bytes. In a line of more than
``CARRY_BYTES`` a match that is longer than that may be missed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from submarine_jupyter_server.logs.archive import Chunk, LogSnapshot, ReplicaLog, Segment
from submarine_jupyter_server.logs.layout import open_to_read, segment_name
from submarine_jupyter_server.logs.lines.pages import line_start
from submarine_jupyter_server.logs.lines.plain import CONTROL_BYTES, Plain
from submarine_jupyter_server.logs.position import Position
from submarine_jupyter_server.logs.search.excerpt import Excerpt, excerpt
from submarine_jupyter_server.logs.search.needle import Needle

# Less than what an allocator asks the system for each time.
BLOCK_BYTES = 64 * 1024
CARRY_BYTES = 64 * 1024
# What stands before tells whether a line, or a word, begins; colours may come between.
_BEFORE = 64
STEP_S = 0.1
MAX_CHARS = 1024 * 1024


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """What is searched for, and where: of one ``replica`` or all, from Unix time ``since`` or the position ``after``.

    At most ``limit`` matches are wanted, each with ``context`` lines before and after it.
    """

    needle: Needle
    replica: str | None = None
    attempt: int | None = None
    since: float | None = None
    after: Position | None = None
    limit: int = 100
    context: int = 0


@dataclass(frozen=True, slots=True)
class Match:
    """Bytes ``offset`` to ``stop`` of a log, and the lines around; ``at_ns``: when they were written, if known."""

    log: ReplicaLog
    offset: int
    stop: int
    at_ns: int | None
    excerpt: Excerpt


class LogSearch:
    """Searches ``logs`` one after the other; those of ``gone`` were removed.

    ``cut`` says why it ended early: ``limit``, or ``size`` when what was found has ``MAX_CHARS``. ``errors`` says
    by pod why a log cannot be read, which hides no other.
    """

    def __init__(self, logs: Sequence[ReplicaLog], query: SearchQuery, gone: Collection[str] = ()) -> None:
        self.logs = logs
        self.matches: list[Match] = []
        self.cut: str | None = None
        self.errors: dict[str, str] = {}
        self._gone = gone
        self._query = query
        self._chars = 0
        self._scans = [_Scan(log, query) for log in logs]
        self._work = self._run()

    @property
    def offsets(self) -> dict[str, int]:
        """Return by replica where to go on, in this search or, when more was written, in a later one."""
        return {scan.log.name: scan.position for scan in self._scans}

    @property
    def gaps(self) -> dict[str, list[tuple[int, int]]]:
        """Return by pod the bytes that are lost in what was searched (from, to)."""
        return {scan.log.pod_name: scan.gaps for scan in self._scans if scan.gaps}

    def step(self) -> bool:
        """Search on for ``STEP_S``, or a block; say whether there is more to search. Blocks."""
        until = time.monotonic() + STEP_S
        return any(time.monotonic() >= until for _ in self._work)

    def _run(self) -> Iterator[None]:
        for scan in self._scans:
            try:
                if scan.log.name in self._gone:
                    raise FileNotFoundError("its folder was removed")
                for span in scan.spans():
                    if span is not None:
                        self._take(scan.log, *span)
                    if self.cut is not None:
                        return
                    yield
            except OSError as error:
                self.errors[scan.log.pod_name] = f"The log cannot be read: {error.strerror or error}."

    def _take(self, log: ReplicaLog, offset: int, stop: int) -> None:
        times = log.times(offset, offset + 1)
        found = excerpt(log, offset, stop, self._query.context)
        self.matches.append(Match(log, offset, stop, times[0][1] if times else None, found))
        self._chars += found.chars
        if len(self.matches) >= self._query.limit:
            self.cut = "limit"
        elif self._chars >= MAX_CHARS:
            self.cut = "size"


class _Scan:
    """One log; all before ``position`` is searched."""

    def __init__(self, log: ReplicaLog, query: SearchQuery) -> None:
        self.log = log
        self.position = query.after.offsets.get(log.name, 0) if query.after else 0
        self.gaps: list[tuple[int, int]] = []
        self._needle = query.needle
        self._since = query.since

    def spans(self) -> Iterator[tuple[int, int] | None]:
        """Yield where the needle is (offsets from, to), None after each block. Raises OSError."""
        snapshot = self.log.snapshot()
        if self._since is not None:
            self.position = max(self.position, line_start(self.log, self.log.offset_at(self._since)))
        self.gaps = [gap for gap in snapshot.gaps() if gap[1] > self.position]
        begin, kept = max(self.position - _BEFORE, 0), b""
        for chunk in self._chunks(snapshot, begin):
            if chunk.offset > begin + len(kept):
                yield from self._found(kept, begin, len(kept))
                begin, kept = chunk.offset, b""
                self.position = max(self.position, begin)
            kept += chunk.data
            cut = _cut(kept)
            yield from self._found(kept, begin, cut)
            self.position = max(self.position, begin + cut)
            again = max(cut - _BEFORE, 0)
            begin, kept = begin + again, kept[again:]
            yield None
        yield from self._found(kept, begin, len(kept))
        if snapshot.ended:
            self.position = max(self.position, snapshot.end)

    def _found(self, raw: bytes, begin: int, stop: int) -> Iterator[tuple[int, int]]:
        """Yield what begins from the position on and before ``stop``, in the bytes from offset ``begin``."""
        plain = Plain(raw)
        for first, behind in self._needle.spans(plain.text, plain.index(max(self.position - begin, 0))):
            start = plain.raw(first)
            if start >= stop:
                return
            self.position = begin + plain.raw(behind - 1) + 1
            yield begin + start, self.position

    def _chunks(self, snapshot: LogSnapshot, start: int) -> Iterator[Chunk]:
        """Yield what is kept from ``start`` on, each file opened once. Raises OSError."""
        for segment in snapshot.segments:
            if segment.end <= start:
                continue
            # A capped log loses its oldest segments while it is read, a deleted one all of them.
            with suppress(FileNotFoundError):
                yield from _read(self.log.path / segment_name(segment.start), segment, max(segment.start, start))


def _read(path: Path, segment: Segment, at: int) -> Iterator[Chunk]:
    fd = open_to_read(path)
    try:
        while at < segment.end and (data := os.pread(fd, min(BLOCK_BYTES, segment.end - at), at - segment.start)):
            yield Chunk(at, data)
            at += len(data)
    finally:
        os.close(fd)


def _cut(raw: bytes) -> int:
    """Return up to where nothing begins that goes on behind ``raw``: where its last line begins, if that is short."""
    least = max(len(raw) - CARRY_BYTES, 0)
    line = max(raw.rfind(b"\n", least), raw.rfind(b"\r", least)) + 1
    if line or not least:
        return line
    colour = raw.rfind(b"\x1b", max(least - CONTROL_BYTES, 0), least)
    return least if colour < 0 else colour
