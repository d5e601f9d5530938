"""Inspect the processes below one (Linux, ``proc(5)``).

Elsewhere nothing is found, and only process groups can be ended.
"""

from __future__ import annotations

import contextlib
import os


def read(path: str) -> bytes:
    """Return what is in a file below /proc; nothing if its process is gone or somebody else's."""
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
        found += map(int, read(f"/proc/{pid}/task/{thread}/children").split())
    return found


def descendants(pid: int) -> list[int]:
    """Return all processes below one, nearest first."""
    found = children(pid)
    for child in found:  # grows while it is walked
        found += children(child)
    return found


def marker(pid: int, prefix: bytes) -> str | None:
    """Return the rest of the variable that begins with ``prefix`` in the environment a process started with."""
    for entry in read(f"/proc/{pid}/environ").split(b"\0"):
        if entry.startswith(prefix):
            return os.fsdecode(entry[len(prefix) :])
    return None


def is_zombie(pid: int) -> bool:
    """Return whether a process has ended, also when nobody has reaped it."""
    return read(f"/proc/{pid}/stat").rpartition(b")")[2].split()[:1] in ([], [b"Z"], [b"X"])


def session(pid: int) -> int:
    """Return the session a process belongs to, 0 if it is gone."""
    with contextlib.suppress(OSError):
        return os.getsid(pid)
    return 0
