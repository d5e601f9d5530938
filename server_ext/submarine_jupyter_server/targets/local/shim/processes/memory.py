"""How much memory processes hold that the kernel cannot take back (Linux, ``proc(5)``).

That is anonymous memory and shared memory. Pages of mapped files are the kernel's to take back at any time, so they
do not count: a data set that is mapped, not read, needs no ``memory``. A control group counts like this.
"""

from __future__ import annotations

import os

from .tree import read


def held(pids: list[int], limit: int) -> int:
    """Return the bytes the processes hold together; exact only above ``limit``, where it matters.

    The cheap figures come first and are never too low: all that is resident; then without mapped files. Only the
    exact one counts a page once that several processes share, and it costs the kernel a walk through all pages.
    """
    resident = sum(map(_resident, pids))
    if resident <= limit:
        return resident
    own = sum(map(_own, pids))
    return own if own <= limit else sum(map(_proportional, pids))


def _resident(pid: int) -> int:
    fields = read(f"/proc/{pid}/statm").split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") if len(fields) > 1 else 0


def _own(pid: int) -> int:
    fields = _fields(f"/proc/{pid}/status")
    return fields.get(b"RssAnon", 0) + fields.get(b"RssShmem", 0)


def _proportional(pid: int) -> int:
    fields = _fields(f"/proc/{pid}/smaps_rollup")
    # Linux has them since 5.9, and shows them to the owner of a process only.
    return fields[b"Pss_Anon"] + fields.get(b"Pss_Shmem", 0) if b"Pss_Anon" in fields else _own(pid)


def _fields(path: str) -> dict[bytes, int]:
    """Return the fields of a file that are given in kB, in bytes."""
    found = {}
    for line in read(path).splitlines():
        name, _, value = line.partition(b":")
        if value.endswith(b" kB"):
            found[name] = int(value[:-3]) * 1024
    return found
