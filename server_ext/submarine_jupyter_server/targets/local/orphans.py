"""End what a dead shim left running, and nothing else.

Every process of a replica carries ``SUBMARINE_JUPYTER_REPLICA=<uid>/<attempt>/<replica>`` in the environment it was
started with; the uid is random, so no other process has it. Replicas that overwrite their environment are known by pid
and start time. A pidfd (``pidfd_open(2)``) makes sure that the signal goes to the process that was looked at.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

from .rundir import Json
from .shim.identity import start_ticks

PATIENCE_S = 5.0
CLEAN_LOOKS = 2


def sweep(uid: str, attempt: int, state: Json | None) -> int:
    """Kill all processes of an attempt on this machine; return how many there were."""
    if sys.platform != "linux":
        return 0  # no /proc: what is left can only be found by hand
    marker = f"SUBMARINE_JUPYTER_REPLICA={uid}/{attempt}/".encode()
    known = {replica["pid"]: replica["ticks"] for replica in (state or {}).get("replicas", []) if replica["pid"]}
    known.update((state or {}).get("descendants", []))
    until = time.monotonic() + PATIENCE_S
    killed: set[tuple[int, int | None]] = set()
    clean = 0
    # Twice, because a process has no environment for a moment while it executes another program.
    while clean < CLEAN_LOOKS and time.monotonic() < until:
        found = [pid for pid in _own_pids() if _belongs(pid, marker, known)]
        clean = 0 if found else clean + 1
        for pid in found:
            killed.add((pid, start_ticks(pid)))
            _kill(pid, marker, known)
        time.sleep(0.01)
    return len(killed)


def _own_pids() -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if name.isdecimal() and Path("/proc", name).stat().st_uid == os.getuid():
                found.append(int(name))
    return found


def _belongs(pid: int, marker: bytes, known: dict[int, int | None]) -> bool:
    if pid in known and known[pid] is not None and known[pid] == start_ticks(pid):
        return not _is_zombie(pid)
    try:
        # A zombie's environment is empty.
        return any(entry.startswith(marker) for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"))
    except OSError:
        return False


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] in (b"Z", b"X")
    except (OSError, IndexError):
        return True


def _kill(pid: int, marker: bytes, known: dict[int, int | None]) -> None:
    if sys.platform != "linux":
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        handle = os.pidfd_open(pid)
        try:
            if _belongs(pid, marker, known):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)
