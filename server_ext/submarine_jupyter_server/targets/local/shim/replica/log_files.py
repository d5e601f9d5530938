"""Write the output of one replica to its log archive.

``logs/<replica>/<offset of the first byte, 20 digits>.log`` are the raw bytes; where a file ends before the next one
starts, bytes are missing: that is how a gap is declared. ``times.idx`` says when bytes came, in records "<QQ" of offset
and Unix time in ns. ``ended`` appears when no more bytes will come, and holds their number.
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
import time

SEGMENT_BYTES = 64 * 1024 * 1024
MIN_SEGMENT_BYTES = 64 * 1024
STAMP_NS = 100_000_000
RETRY_S = 1.0
_STAMP = struct.Struct("<QQ")
# What a replica may have put there instead, a pipe or a link, is neither waited for nor followed.
_SAFELY = os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_APPEND | _SAFELY


class Archive:
    """The log archive of one replica.

    ``offset`` counts the bytes that came, ``dropped`` those the disk refused, ``removed`` those somebody took away.
    Keeps at most ``cap`` bytes, but never less than the first and the newest segment: middle ones go first.
    """

    def __init__(self, folder: str, cap: int, segment: int = SEGMENT_BYTES) -> None:
        self.folder = folder
        self.offset = 0
        self.dropped = 0
        self.removed = 0
        self._cap = cap
        self._segment = max(min(segment, cap // 4), MIN_SEGMENT_BYTES)
        self._segments: list[list[int]] = []  # [offset of the first byte, bytes], oldest first
        self._fd = self._times = -1
        self._stamped_ns = 0
        self._retry_at = 0.0

    def begin(self) -> None:
        """Declare that bytes will come, also after ``end``."""
        if self._fd < 0:
            self._open()
        with contextlib.suppress(OSError):
            os.unlink(f"{self.folder}/ended")

    def check(self) -> None:
        """Notice that somebody removed the files, and go on in new ones: what is missing before them is a gap."""
        if self._times >= 0 and not _is_at(self._times, f"{self.folder}/times.idx"):
            os.close(self._times)
            self._times = -1
        if self._fd < 0 or _is_at(self._fd, self._path(self._segments[-1][0])):
            return
        os.close(self._fd)
        self._fd = -1
        start, size = self._segments.pop()
        self.removed += size
        with contextlib.suppress(OSError):
            os.unlink(self._path(start))  # what lies there now is not the log
        for segment in [segment for segment in self._segments if not os.path.exists(self._path(segment[0]))]:
            self._segments.remove(segment)
            self.removed += segment[1]
        self._retry_at = 0.0
        self._open()

    def write(self, data: memoryview) -> None:
        """Append ``data``; never fails and never waits: what the disk refuses is dropped and counted."""
        while data:
            if self._fd < 0 and not self._open():
                self.offset += len(data)
                self.dropped += len(data)
                return
            self._stamp()
            newest = self._segments[-1]
            try:
                count = os.write(self._fd, data[: self._segment - newest[1]])
            except OSError:
                self._close()
                self._retry_at = time.monotonic() + RETRY_S
                continue
            self.offset += count
            newest[1] += count
            data = data[count:]
            if newest[1] >= self._segment:
                self._close()

    def tail(self, size: int) -> bytes:
        """Return the last ``size`` bytes that were kept."""
        tail = b""
        for start, length in reversed(self._segments):
            wanted = min(size - len(tail), length)
            with contextlib.suppress(OSError):
                tail = self._read(start, length - wanted, wanted) + tail
            if len(tail) >= size:
                break
        return tail

    def end(self) -> None:
        """Declare that no more bytes will come."""
        self.check()
        if self._fd < 0:
            self._retry_at = 0.0
            self._open()  # so that a gap at the very end shows as well
        self._close(keep_empty=True)
        with contextlib.suppress(OSError):
            fd = os.open(f"{self.folder}/ended", _CREATE | os.O_TRUNC, 0o600)
            os.write(fd, b"%d" % self.offset)
            os.close(fd)
        if self._times >= 0:
            os.close(self._times)
            self._times = -1

    def _path(self, start: int) -> str:
        return f"{self.folder}/{start:020}.log"

    def _read(self, start: int, offset: int, size: int) -> bytes:
        fd = os.open(self._path(start), os.O_RDONLY | _SAFELY)
        try:
            return os.pread(fd, size, offset) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
        finally:
            os.close(fd)

    def _open(self) -> bool:
        if time.monotonic() < self._retry_at:
            return False
        self._make_room()
        try:
            _make_folder(self.folder)
            self._fd = os.open(self._path(self.offset), _CREATE, 0o600)
            os.ftruncate(self._fd, 0)  # a new segment is empty, whoever made its file
        except OSError:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1
            self._retry_at = time.monotonic() + RETRY_S
            return False
        if not self._segments or self._segments[-1][0] != self.offset:
            self._segments.append([self.offset, 0])
        return True

    def _close(self, *, keep_empty: bool = False) -> None:
        if self._fd < 0:
            return
        os.close(self._fd)
        self._fd = -1
        if self._segments[-1][1] == 0 and not keep_empty:
            start, _ = self._segments.pop()
            with contextlib.suppress(OSError):
                os.unlink(self._path(start))

    def _make_room(self) -> None:
        while len(self._segments) > 1 and sum(size for _, size in self._segments) + self._segment > self._cap:
            start, _ = self._segments.pop(1)
            with contextlib.suppress(OSError):
                os.unlink(self._path(start))

    def _stamp(self) -> None:
        now = time.time_ns()
        if 0 <= now - self._stamped_ns < STAMP_NS:
            return
        self._stamped_ns = now
        try:
            if self._times < 0:
                self._times = os.open(f"{self.folder}/times.idx", _CREATE, 0o600)
            if os.write(self._times, _STAMP.pack(self.offset, now)) < _STAMP.size:
                size = os.fstat(self._times).st_size
                os.ftruncate(self._times, size - size % _STAMP.size)
        except OSError:
            pass  # a missing stamp costs nothing but its precision


def _make_folder(path: str) -> None:
    """Make the folder of a log, but not the one of the attempt: who removed that wants nothing any more."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass
    except FileNotFoundError:
        os.mkdir(os.path.dirname(path), 0o700)
        os.mkdir(path, 0o700)


def _is_at(fd: int, path: str) -> bool:
    """Return whether an open file is still the one at ``path``; what cannot be told is taken for it."""
    try:
        there, ours = os.lstat(path), os.fstat(fd)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)
