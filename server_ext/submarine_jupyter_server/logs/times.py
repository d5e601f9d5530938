"""Search the index that says when the bytes of a log were written.

The index grows by ten records a second at most, so months of it are searched by bisection on disk.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from submarine_jupyter_server.logs.layout import RECORD, TIME_STEP_NS, open_to_read

_NEVER = 2**63


def offset_at(path: Path, unix_seconds: float) -> int:
    """Return the offset of the first record that bytes written at ``unix_seconds`` may belong to.

    A record speaks for the bytes of up to 100 ms after it. 0 without an index, a very large offset when every
    record is older.
    """
    wanted = int(unix_seconds * 1e9) - TIME_STEP_NS
    fd = _open(path)
    if fd is None:
        return 0
    try:
        index = _first(fd, lambda _, at_ns: at_ns > wanted)
        found = _records(fd, index, 1)
    finally:
        os.close(fd)
    if not index:
        return 0  # also what was written before the index began
    return found[0][0] if found else _NEVER


def known(path: Path) -> bool:
    """Return whether there is an index that says anything."""
    fd = _open(path)
    if fd is None:
        return False
    try:
        return os.fstat(fd).st_size >= RECORD.size
    finally:
        os.close(fd)


def between(path: Path, start: int, end: int) -> list[tuple[int, int]]:
    """Return the (offset, Unix time in ns) records for the bytes ``start`` to ``end``."""
    fd = _open(path)
    if fd is None:
        return []
    try:
        index = max(_first(fd, lambda offset, _: offset > start) - 1, 0)
        return _records(fd, index, _first(fd, lambda offset, _: offset >= end) - index)
    finally:
        os.close(fd)


def _open(path: Path) -> int | None:
    try:
        return open_to_read(path)
    except OSError:
        return None


def _records(fd: int, index: int, count: int) -> list[tuple[int, int]]:
    data = os.pread(fd, count * RECORD.size, index * RECORD.size)
    return list(RECORD.iter_unpack(data[: len(data) // RECORD.size * RECORD.size]))


def _first(fd: int, wanted: Callable[[int, int], bool]) -> int:
    """Return the number of the first record that is ``wanted``, given that all behind it are."""
    low, high = 0, os.fstat(fd).st_size // RECORD.size
    while low < high:
        middle = (low + high) // 2
        records = _records(fd, middle, 1)
        if not records or wanted(*records[0]):
            high = middle
        else:
            low = middle + 1
    return low
