"""The files of one replica's log.

``<start offset, 20 digits>.log`` holds raw bytes; its name is the logical offset of its first byte, and a
hole between two segments is a declared gap. ``times.idx`` says when bytes were written: records of (offset,
Unix time in ns), each appended before the bytes at that offset and at most one per ``TIME_STEP_NS``.
``ended`` appears when no byte follows; it holds the size of the log (bytes, digits), so that a tail which was cut
off shows as a gap.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import struct
from pathlib import Path

SEGMENT_BYTES = 64 * 1024 * 1024
CAP_BYTES = 1024 * 1024 * 1024
TIME_STEP_NS = 100_000_000
TIMES = "times.idx"
ENDED = "ended"
RECORD = struct.Struct("<QQ")

_UNREADABLE = (errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.EISDIR, errno.EACCES, errno.EPERM)
_SEGMENT = re.compile(r"([0-9]{20})\.log")


def unreadable(error: OSError) -> bool:
    """Whether the file itself cannot be read, now or later: it is something else, or not ours to read."""
    return error.errno in _UNREADABLE


def segment_name(offset: int) -> str:
    """Return the file name of the segment whose first byte is at ``offset``."""
    return f"{offset:020d}.log"


def segment_offset(name: str) -> int | None:
    """Return the offset of a segment's first byte, None for any other file."""
    match = _SEGMENT.fullmatch(name)
    return int(match[1]) if match else None


def open_to_read(path: Path) -> int:
    """Open a file of the archive. Raises OSError for all but a regular file: a pipe never answers."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.ENXIO, "Not a regular file", path.name)
    return fd


def open_folder(path: Path) -> int:
    """Open a folder of the archive. Raises OSError for anything else, a link to a folder included."""
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_DIRECTORY)


def ended_at(folder: Path) -> int:
    """Return the size that a log had when it ended, 0 when that is not known."""
    try:
        fd = open_to_read(folder / ENDED)
    except OSError:
        return 0
    try:
        text = os.pread(fd, 32, 0)
    except OSError:
        return 0
    finally:
        os.close(fd)
    return int(text) if re.fullmatch(rb"[0-9]{1,18}", text) else 0
