"""The control groups of a real node's pods: a branch per run, in each hierarchy (version 1) or in the one (2)."""

import os
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


def create(name: str) -> None:
    """Make the branch `name` directly below the root of every hierarchy."""
    if _unified():
        controllers = ROOT.joinpath("cgroup.controllers").read_text().split()
        ROOT.joinpath("cgroup.subtree_control").write_text(" ".join(f"+{item}" for item in controllers))
        ROOT.joinpath(name).mkdir()
        return
    for hierarchy in _mounted("cgroup"):
        branch = hierarchy / name
        branch.mkdir()
        for setting in ("cpuset.cpus", "cpuset.mems"):  # empty in a new group, which then takes no process
            if (hierarchy / setting).exists():
                (branch / setting).write_text((hierarchy / setting).read_text())


def remove(name: str) -> None:
    """Remove the branch, whose processes have ended; the kernel may need a moment to see that."""
    for branch in left(name):
        for group, _, _ in os.walk(branch, topdown=False):
            _remove(Path(group))


def left(name: str) -> list[Path]:
    """Return what still exists of a branch."""
    hierarchies = _mounted("cgroup", "cgroup2")  # both may be there: runc then makes groups in version 2 too
    return [path for hierarchy in hierarchies if (path := hierarchy / name).exists()]


def _remove(group: Path) -> None:
    for _ in range(100):
        try:
            group.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError:  # EBUSY: a process is still ending
            time.sleep(0.05)
    raise TimeoutError(f"The control group {group} still has processes: {group.joinpath('cgroup.procs').read_text()}")


def _unified() -> bool:
    return ROOT.joinpath("cgroup.controllers").exists()


def _mounted(*kinds: str) -> list[Path]:
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [Path(mount[1]) for mount in mounts if mount[2] in kinds]
