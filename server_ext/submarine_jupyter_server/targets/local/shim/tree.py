"""Look at the processes below one: who they are and how much memory they take (Linux, ``proc(5)``).

Elsewhere nothing is found, and only process groups can be ended.
"""

from __future__ import annotations

import os


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def children(pid: int) -> list[int]:
    """Return the children of a process, zombies included."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    found: list[int] = []
    for thread in threads:
        found += map(int, _read(f"/proc/{pid}/task/{thread}/children").split())
    return found


def descendants(pid: int) -> list[int]:
    """Return all processes below one, nearest first."""
    found = children(pid)
    for child in found:  # grows while it is walked
        found += children(child)
    return found


def has_marker(pid: int, marker: bytes) -> bool:
    """Tell whether a process started with the variable ``marker`` (``NAME=value``)."""
    return marker in _read(f"/proc/{pid}/environ").split(b"\0")


def memory(pids: list[int], limit: int) -> int:
    """Return the bytes of memory the processes hold together.

    Exact (each shared page counted once) only where it matters, above ``limit``: the exact figure costs the kernel a
    walk through all pages.
    """
    page = os.sysconf("SC_PAGE_SIZE")
    resident = sum(int((_read(f"/proc/{pid}/statm").split() or [b"0", b"0"])[1]) * page for pid in pids)
    return resident if resident <= limit else sum(map(_proportional, pids))


def _proportional(pid: int) -> int:
    for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1]) * 1024
    return 0
