"""What a process id stands for now: a number in a file may be that of another process by the time it is read."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_LISTENING = "0A"  # TCP_LISTEN in include/net/tcp_states.h of Linux


def alive(pid: int) -> bool:
    """Return whether a process is there, and is of this user."""
    if sys.platform == "win32":
        return True  # there, this call would end it
    try:
        os.kill(pid, 0)
    except (OSError, OverflowError):
        return False
    return True


def identity(pid: int) -> str | None:
    """Return what no other process has, also not one that gets the same number later; None when it has ended."""
    if not sys.platform.startswith("linux"):
        shown = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
        return shown.stdout.strip() or None
    try:
        # The name of the program, in brackets, may hold anything; the state and the start follow it (proc(5)).
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        return None
    return None if fields[0] in ("Z", "X") else f"{boot} {namespace} {fields[19]}"


def listens(pid: int, port: int) -> bool | None:
    """Return whether a process listens on a TCP port; None where the system does not say."""
    try:
        with os.scandir(f"/proc/{pid}/fd") as entries:
            held = {_link(entry.path) for entry in entries}
    except OSError:
        return None
    tables = [table for name in ("tcp", "tcp6") if (table := _table(f"/proc/{pid}/net/{name}")) is not None]
    if not tables:
        return None
    return any(f"socket:[{inode}]" in held for table in tables for inode in _listeners(table, port))


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""  # closed meanwhile


def _table(path: str) -> str | None:
    try:
        return Path(path).read_text()
    except OSError:
        return None  # a system without that version of IP


def _listeners(table: str, port: int) -> list[str]:
    """Return the inodes of the sockets that listen on a port: columns 2, 4 and 10 of /proc/net/tcp."""
    rows = [line.split() for line in table.splitlines()[1:]]
    return [row[9] for row in rows if row[3] == _LISTENING and int(row[1].rpartition(":")[2], 16) == port]
