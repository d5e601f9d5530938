"""Write one replica's log in segments, whatever happens to the disk."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

from submarine_jupyter_server.logs.layout import (
    CAP_BYTES,
    ENDED,
    RECORD,
    SEGMENT_BYTES,
    TIME_STEP_NS,
    TIMES,
    segment_name,
    segment_offset,
)

_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_READ_AND_APPEND = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class SegmentWriter:
    """Append what a replica writes; go on where an earlier writer of the same folder stopped.

    A write never raises for a full or failing disk: what could not be stored becomes a hole, counted in
    ``dropped`` (bytes). Of more than ``cap_bytes`` the first segment and the newest ones are kept. There must
    be one writer per folder only.
    """

    def __init__(self, folder: Path, *, segment_bytes: int = SEGMENT_BYTES, cap_bytes: int = CAP_BYTES) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / ENDED).unlink(missing_ok=True)
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._cap_bytes = cap_bytes
        self._fd: int | None = None
        self._timed_ns = 0
        kept = self._kept()
        self._segment = kept[-1] if kept else 0
        self.offset = self._segment + self._size(self._segment) if kept else 0
        self.dropped = 0
        self._times = self._open_times()
        if kept:
            with contextlib.suppress(OSError):
                self._fd = os.open(folder / segment_name(self._segment), _APPEND, 0o600)

    def write(self, data: bytes, at_ns: int | None = None) -> None:
        """Append ``data``, written by the replica at ``at_ns`` (Unix time; default: now)."""
        at_ns = time.time_ns() if at_ns is None else at_ns
        due = not 0 <= at_ns - self._timed_ns < TIME_STEP_NS
        if due and self._note_times([(0, at_ns)]):
            self._timed_ns = at_ns
        self._write(data)

    def write_timed(self, data: bytes, times: Sequence[tuple[int, int]]) -> None:
        """Append ``data`` and note exactly these times: (place in ``data``, when the byte there was written)."""
        if times:
            self._note_times(times)
        self._write(data)

    def skip(self, count: int) -> None:
        """Declare ``count`` bytes lost: the next ones begin a new segment behind the hole."""
        self.dropped += count
        self.offset += count
        self._close_segment()

    def show_gap(self) -> None:
        """Make a hole at the very end visible, although nothing may follow it."""
        if self._fd is None:
            self._open_segment()

    def end(self) -> None:
        """Declare that no more bytes will come, and close."""
        self.close()
        with contextlib.suppress(OSError):
            fd = os.open(self._folder / ENDED, _APPEND | os.O_TRUNC, 0o600)
            try:
                os.write(fd, b"%d" % self.offset)
            finally:
                os.close(fd)

    def close(self) -> None:
        """Close the files; another writer may go on."""
        if self.dropped and self._fd is None:
            # An empty segment makes a hole at the very end visible.
            self._open_segment()
        self._close_segment()
        if self._times is not None:
            os.close(self._times)
            self._times = None

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            stored = self._store(view)
            if stored == 0:
                self.skip(len(view))
                return
            view = view[stored:]

    def _store(self, view: memoryview) -> int:
        """Write what fits into the segment; return how many bytes were stored, 0 when the disk refuses."""
        if self._fd is not None and self.offset - self._segment >= self._segment_bytes:
            self._close_segment()
        fd = self._open_segment() if self._fd is None else self._fd
        if fd is None:
            return 0
        room = self._segment_bytes - (self.offset - self._segment)
        try:
            stored = os.write(fd, view[:room])
        except OSError:
            return 0
        self.offset += stored
        return stored

    def _open_segment(self) -> int | None:
        try:
            self._fd = os.open(self._folder / segment_name(self.offset), _APPEND, 0o600)
        except OSError:
            return None
        self._segment = self.offset
        self._cap()
        return self._fd

    def _close_segment(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _cap(self) -> None:
        """Remove the oldest segments behind the first until a new full one has room."""
        kept = self._kept()
        sizes = {start: self._size(start) for start in kept[:-1]}
        total = sum(sizes.values()) + self._segment_bytes
        for start in kept[1:-1]:
            if total <= self._cap_bytes:
                return
            with contextlib.suppress(OSError):
                (self._folder / segment_name(start)).unlink()
            total -= sizes[start]

    def _kept(self) -> list[int]:
        offsets = (segment_offset(name) for name in os.listdir(self._folder))
        return sorted(offset for offset in offsets if offset is not None)

    def _size(self, start: int) -> int:
        return (self._folder / segment_name(start)).lstat().st_size

    def _open_times(self) -> int | None:
        try:
            fd = os.open(self._folder / TIMES, _READ_AND_APPEND, 0o600)
        except OSError:
            return None
        size = os.fstat(fd).st_size
        kept = size - size % RECORD.size
        # A writer that died left a torn record, behind which every other would be out of step, or records of bytes
        # that it did not come to.
        while kept and self._time_at(fd, kept - RECORD.size) > self.offset:
            kept -= RECORD.size
        if kept < size:
            os.ftruncate(fd, kept)
        return fd

    def _time_at(self, fd: int, place: int) -> int:
        """Return the offset that the record at ``place`` speaks of."""
        offset: int = RECORD.unpack(os.pread(fd, RECORD.size, place))[0]
        return offset

    def _note_times(self, times: Sequence[tuple[int, int]]) -> bool:
        """Write records for bytes from here on; all of them or none."""
        if self._times is None:
            return False
        size = os.fstat(self._times).st_size
        data = b"".join(RECORD.pack(self.offset + place, at_ns) for place, at_ns in times)
        try:
            if os.write(self._times, data) == len(data):
                return True
        except OSError:
            pass
        with contextlib.suppress(OSError):
            os.ftruncate(self._times, size)
        return False
