"""The end of one replica's log on disk: where it stands, what to ask the kubelet for, and what of an answer to write.

Crash-consistent by order: a source is written down before its first byte, and a time record, which may become the mark
to resume from, before the byte it speaks of.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from submarine_jupyter_server.logs.archive import Gap, ReplicaLog
from submarine_jupyter_server.logs.layout import ENDED, RECORD, TIMES, open_to_read
from submarine_jupyter_server.logs.segment_writer import SegmentWriter

from . import sources
from .alignment import Alignment, Stock, Unaligned
from .lines import MORE, UNSTAMPED, Line, StampedLines
from .marks import Marks
from .sources import LogSource, Region, Sources

_MOST_KNOWN = 16 * 1024 * 1024
_MOST_RECORDS = 4096
_MOST_NOISE = 300


class Noise(Exception):
    """The kubelet sent an error of its own instead of the log, or behind it."""


class Tail:
    """Belongs to one thread, for it blocks; ``lost`` is called for each gap."""

    def __init__(self, folder: Path, cap_bytes: int, lost: Callable[[], None] = lambda: None) -> None:
        self._folder = folder
        self._log = ReplicaLog("", 0, folder.name, folder)
        self._cap_bytes = cap_bytes
        self._writer: SegmentWriter | None = None
        self.sources = Sources()
        self.ended = False
        self._count_gap = lost
        self._marks = Marks()
        self._adoptable = False
        self.listen()

    @property
    def attached(self) -> bool:
        """Return whether the present answer fits to what the log has."""
        return self._alignment.found

    @property
    def empty(self) -> bool:
        """Return whether the log has no line of the current source."""
        return self._marks.top < 0

    def open(self) -> None:
        """Read where the log stands."""
        self.sources = sources.read(self._folder)
        self.ended = (self._folder / ENDED).exists()
        if self.sources.current is not None:
            self._recover(self.sources.current)

    def begin(self, source: LogSource, *, lost: bool = False) -> None:
        """Let what follows be of ``source``, with a gap before it if ``lost``."""
        writer = self._writing()
        if lost:
            self._gap(writer)
        self._enter(Region(writer.offset, source, gap=lost))
        self._marks, self._adoptable = Marks(), self.sources.follows_another

    def since(self) -> str | None:
        """Return the time to ask from, None for all there is."""
        return self._marks.since

    def listen(self, *, trusted: bool = False) -> None:
        """Get ready for an answer to that; ``trusted`` says that it is surely of the current source."""
        self._lines = StampedLines()
        self._noise = b""
        self._heard = False
        self.news = 0
        self._trusted = trusted
        self._alignment = Alignment(self._stock(), self._marks.pass_over, trusted=trusted)

    def feed(self, data: bytes) -> None:
        """Take a part of the answer. Raises Unaligned, Noise, OSError."""
        lines = self._lines.feed(data)
        if not self._heard:
            lines = self._after_noise(lines)
            self._heard = bool(lines)
        bare = [number for number, (at_ns, _) in enumerate(lines) if at_ns == UNSTAMPED and number]
        for begin, end in pairwise([0, *bare, len(lines)] if lines else []):
            # Before the mark it is the end of a long line that began before the time asked for.
            if lines[begin][0] == UNSTAMPED and self._alignment.found:
                noise = b"".join(text for _, text in lines[begin:])
                raise Noise(noise[:_MOST_NOISE].decode(errors="replace"))
            self._accept(lines[begin:end])

    def _accept(self, lines: list[Line]) -> None:
        if not self._alignment.done:
            lines = self._align(lines)
        if lines:
            self._write(lines)

    def finish(self) -> bool:
        """Take the end of the answer; return whether there was anything new. Raises Unaligned, Noise."""
        if not self._heard and self._noise:
            raise Noise(self._noise.decode(errors="replace"))
        if not self._alignment.found:
            if not self._trusted:
                raise Unaligned
            self._renew()
        return self.news > 0

    def lose(self) -> None:
        """Declare what is left of the current source lost."""
        self._gap(self._writing())
        self.done()

    def done(self) -> None:
        """Note that nothing more is to come from the current source."""
        if self.sources.current is not None:
            sources.append(self._folder, self.sources.current, done=True)
            self.sources.done.add(self.sources.current.source)

    def end(self, *, lost: bool = False) -> None:
        """Declare that no byte follows, after a gap if ``lost``."""
        if (self._folder.exists() or lost) and not self.ended:
            if lost:
                self.lose()
            self._writing().end()
            self._writer, self.ended = None, True

    def close(self) -> None:
        """Close the files; it may go on later."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _stock(self) -> Stock:
        mark = self._marks.mark
        if mark is None:
            return Stock(after=self._marks.top)
        size = self._writing().offset - mark.offset
        known = self._bytes(mark.offset, size)
        return Stock(mark, size - self.sources.gaps_behind(mark.offset), known, self._marks.top)

    def _after_noise(self, lines: list[Line]) -> list[Line]:
        """Leave out the end of a line that began before the time asked for, or an error of the kubelet."""
        for number, (at_ns, text) in enumerate(lines):
            if at_ns >= 0:
                return lines[number:]
            self._noise = (self._noise + text)[:_MOST_NOISE]
        return []

    def _align(self, lines: list[Line]) -> list[Line]:
        if self._adoptable:
            self._adoptable = False
            self._adopt(lines[0][0])
        lines = self._alignment.feed(lines)
        if self._alignment.gap:
            self._renew()
        return lines

    def _adopt(self, at_ns: int) -> None:
        """Take over bytes that are of this run, but were read before it was known that there is one.

        A request names a pod, not a run: it may have been answered by the next one.
        """
        current = self.sources.current
        for offset, noted_ns in self._records(self.sources.before()):
            if noted_ns == at_ns and current is not None:
                self._enter(Region(offset, current.source))
                self._marks = Marks.recovered([(offset, at_ns)])
                self._alignment = Alignment(self._stock(), self._marks.pass_over, trusted=self._trusted)

    def _write(self, lines: list[Line]) -> None:
        writer = self._writing()
        begin = offset = writer.offset
        note = self._marks.note
        times = []
        for at_ns, text in lines:
            if at_ns >= 0 and note(at_ns, offset):
                times.append((offset - begin, at_ns))
            offset += len(text)
        writer.write_timed(b"".join([text for _, text in lines]), times)
        self.news += offset - begin

    def _gap(self, writer: SegmentWriter) -> None:
        writer.skip(1)
        writer.show_gap()
        self._count_gap()

    def _renew(self) -> None:
        """Declare a gap within the current source."""
        writer = self._writing()
        self._gap(writer)
        if self.sources.current is not None:
            self._enter(Region(writer.offset, self.sources.current.source, gap=True))

    def _enter(self, region: Region) -> None:
        sources.append(self._folder, region)
        self.sources.regions.append(region)
        self._marks = Marks(self._marks.top)

    def _recover(self, region: Region) -> None:
        """Find the mark an earlier server left."""
        writer = self._writing() if not self.ended else None
        if writer is not None and writer.offset < region.offset:
            writer.skip(region.offset - writer.offset)
            writer.show_gap()
        records = self._records(self.sources.start(region.source))
        here = [(offset, at_ns) for offset, at_ns in records if offset >= region.offset]
        self._adoptable = not here and self.sources.follows_another
        self._marks = Marks.recovered(here)
        self._marks.top = max((at_ns for _, at_ns in records), default=MORE)
        unsure = not here and region.source not in self.sources.done
        if unsure and writer is not None and writer.offset > region.offset:
            # The disk lost the records: rather a gap than lines twice.
            self._renew()
            self._marks.top = self._written_ns()

    def _records(self, begin: int) -> list[tuple[int, int]]:
        """Return the newest time records of bytes from ``begin`` on."""
        try:
            fd = open_to_read(self._folder / TIMES)
        except OSError:
            return []
        try:
            count = os.fstat(fd).st_size // RECORD.size
            first = max(count - _MOST_RECORDS, 0)
            data = os.pread(fd, (count - first) * RECORD.size, first * RECORD.size)
        finally:
            os.close(fd)
        end = self._writing().offset if not self.ended else self._log.end
        return [record for record in RECORD.iter_unpack(data) if begin <= record[0] <= end]

    def _bytes(self, offset: int, size: int) -> bytes | None:
        """Return bytes of the archive, None if some are lost or they are too many to compare."""
        found = b""
        while size <= _MOST_KNOWN and len(found) < size:
            chunk = self._log.read(offset + len(found), size - len(found))
            if isinstance(chunk, Gap) or not chunk.data:
                return None
            found += chunk.data
        return found if len(found) == size else None

    def _written_ns(self) -> int:
        newest = max(self._folder.glob("*.log"), key=lambda path: path.stat().st_mtime_ns)
        return newest.stat().st_mtime_ns

    def _writing(self) -> SegmentWriter:
        if self._writer is None:
            self._writer = SegmentWriter(self._folder, cap_bytes=self._cap_bytes)
        return self._writer
