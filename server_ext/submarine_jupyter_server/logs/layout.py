"""The files of one replica's log.

``<start offset, 20 digits>.log`` holds raw bytes; its name is the logical offset of its first byte, and a
hole between two segments is a declared gap. ``times.idx`` says when bytes were written: records of (offset,
Unix time in ns), each appended before the bytes at that offset and at most one per ``TIME_STEP_NS``.
``ended`` appears when no byte follows.
"""

from __future__ import annotations

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

_SEGMENT = re.compile(r"([0-9]{20})\.log")


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
        raise OSError(f"{path.name} is not a regular file.")
    return fd
