"""What this machine, or the container the server runs in, has to give."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

USABLE_MEMORY = 0.8  # the rest is for the notebook server, kernels and the system
_CGROUP = Path("/sys/fs/cgroup")


def cpus() -> float:
    """Return the cores this process may use: the smaller of its cpu set and its cgroup's quota."""
    cores = float(len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else float(os.cpu_count() or 1)
    return min([cores, *_quotas()])


def memory() -> int:
    """Return the bytes of memory for experiments: the cgroup's limit, or 80 % of what the machine has."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = min(_memory_limits(), default=physical)
    return limit if limit < physical else int(physical * USABLE_MEMORY)


def file_limits() -> tuple[int, int]:
    """Return how many files a process may have open, now and at most."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return tuple(sys.maxsize if limit == resource.RLIM_INFINITY else limit for limit in (soft, hard))  # type: ignore[return-value]


def _quotas() -> list[float]:
    found = []
    for folder in _folders("cpu"):
        quota, period = (_read(folder / "cpu.max").split() or ["max", "100000"])[:2]  # cgroup v2
        if quota == "max":
            quota = _read(folder / "cpu.cfs_quota_us") or "-1"  # v1
            period = _read(folder / "cpu.cfs_period_us") or "100000"
        if int(quota) > 0:
            found.append(int(quota) / int(period))
    return found


def _memory_limits() -> list[int]:
    texts = [_read(folder / name) for folder in _folders("memory") for name in ("memory.max", "memory.limit_in_bytes")]
    return [int(text) for text in texts if text.isdecimal()]


def _folders(controller: str) -> list[Path]:
    """Return the cgroup folders that limit this process: its own and those above, v2 and v1."""
    found: list[Path] = []
    for line in _read(Path("/proc/self/cgroup")).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        root = _CGROUP / controllers if controllers else _CGROUP
        own = root / path.lstrip("/")
        found += [own, *(parent for parent in own.parents if parent == root or root in parent.parents)]
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
