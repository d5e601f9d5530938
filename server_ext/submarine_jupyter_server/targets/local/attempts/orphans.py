"""End what a dead shim left running, and nothing else.

Every process of a replica carries ``SUBMARINE_JUPYTER_REPLICA=<uid>/<attempt>/<replica>`` in the environment it was
started with; the uid is random, so no other process has it. Replicas that overwrite their environment are known by pid
and start time, and so are the processes below them that the shim wrote down. A pidfd (``pidfd_open(2)``) makes sure
that the signal goes to the process that was inspected.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

from submarine_jupyter_server.targets.local.rundir.files import Json
from submarine_jupyter_server.targets.local.shim.processes import tree
from submarine_jupyter_server.targets.local.shim.processes.identity import start_ticks

PATIENCE_S = 5.0
CLEAN_CHECKS = 2


def sweep(uid: str, attempt: int, state: Json | None) -> tuple[int, list[int]]:
    """Kill all processes of an attempt on this machine; return how many went, and the pids of those that did not.

    Raises OSError if this process cannot see the others now.
    """
    if sys.platform != "linux":
        return 0, []  # no /proc: what is left can only be found by hand
    marker = f"SUBMARINE_JUPYTER_REPLICA={uid}/{attempt}/".encode()
    known = _known(state)
    until = time.monotonic() + PATIENCE_S
    killed: set[tuple[int, int | None]] = set()
    left: list[int] = []
    clean = 0
    # Twice, because a process has no environment for a moment while it executes another program.
    while clean < CLEAN_CHECKS and time.monotonic() < until:
        left = [pid for pid in _own_pids() if _belongs(pid, marker, known)]
        clean = 0 if left else clean + 1
        for pid in left:
            killed.add((pid, start_ticks(pid)))
            # What it started hides nothing while its parent lives.
            known |= {below: start_ticks(below) for below in tree.descendants(pid)}
            _kill(pid, marker, known)
        time.sleep(0.01)
    return len({pid for pid, _ in killed} - set(left)), left


def lives(pid: int, ticks: int | None) -> bool:
    """Return whether the process ``pid`` that started at ``ticks`` runs; in doubt it does."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return False  # it belongs to somebody else
    now = start_ticks(pid)
    return (ticks is None or now is None or now == ticks) and not _is_zombie(pid)


def send(pid: int, ticks: int | None, number: int) -> bool:
    """Send a signal to the process ``pid`` that started at ``ticks``, and to no other; return whether it is there."""
    if sys.platform != "linux" or ticks is None:
        return False
    with contextlib.suppress(ProcessLookupError, PermissionError):
        handle = os.pidfd_open(pid)
        try:
            if start_ticks(pid) == ticks and not _is_zombie(pid):
                signal.pidfd_send_signal(handle, number)
                return True
        finally:
            os.close(handle)
    return False


def find(*words: str) -> list[tuple[int, int | None]]:
    """Return pid and start of our processes whose command line ends with these words."""
    if sys.platform != "linux":
        return []
    end = b"".join(word.encode(errors="surrogateescape") + b"\0" for word in words)
    return [(pid, start_ticks(pid)) for pid in _own_pids() if _proc(pid, "cmdline").endswith(end)]


def _known(state: Json | None) -> dict[int, int | None]:
    """Return what the shim wrote down about the processes it had: pid and start time."""
    state = state or {}
    known = {replica["pid"]: replica["ticks"] for replica in state.get("replicas", []) if replica["pid"]}
    return known | dict(state.get("descendants", []))


def _own_pids() -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if name.isdecimal() and Path("/proc", name).stat().st_uid == os.getuid():
                found.append(int(name))
    return found


def _belongs(pid: int, marker: bytes, known: dict[int, int | None]) -> bool:
    if pid in known and known[pid] is not None and known[pid] == start_ticks(pid):
        return not _is_zombie(pid)
    # A zombie's environment is empty.
    return any(entry.startswith(marker) for entry in _proc(pid, "environ").split(b"\0"))


def _is_zombie(pid: int) -> bool:
    return (_proc(pid, "stat").rpartition(b")")[2].split() or [b"X"])[0] in (b"Z", b"X")


def _proc(pid: int, name: str) -> bytes:
    """Return what /proc has of a process; raises OSError only where this process cannot see any."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""


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
