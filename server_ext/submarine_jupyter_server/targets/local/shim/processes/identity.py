"""Distinguish one process from another that came to have its number.

A pid means something only together with the boot, the pid namespace and the start time of its process (``proc(5)``,
``/proc/pid/stat`` field 22). Elsewhere than on Linux the parts that cannot be known are empty.
"""

from __future__ import annotations

import os


def boot_id() -> str:
    """Return the id of this boot of the machine."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return ""


def pid_namespace() -> int:
    """Return the inode of the pid namespace: each container has its own."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return 0


def machine_id() -> str:
    """Return the id that a machine keeps when it gets another name (machine-id(5)); empty if it has none."""
    try:
        with open("/etc/machine-id") as file:
            return file.read().strip()[:64]
    except (OSError, ValueError):
        return ""


def hostname() -> str:
    """Return the name of this machine."""
    return os.uname().nodename


def start_ticks(pid: int) -> int | None:
    """Return when a process started, in clock ticks since the boot; None if there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The second field is the program's name and may hold anything, also spaces and parentheses.
            return int(file.read().rpartition(b")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return None


def here(pid: int) -> dict[str, object]:
    """Return the identity of a process of this machine."""
    return {
        "boot_id": boot_id(),
        "pid_namespace": pid_namespace(),
        "machine_id": machine_id(),
        "hostname": hostname(),
        "pid": pid,
        "ticks": start_ticks(pid),
    }
