"""The inotify instances of this machine: a user has few of them, and what finds none left fails in odd ways."""

import os
from contextlib import suppress
from pathlib import Path

_LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")
# A cluster with a real node takes 13, Kueue one more; each log of a fake pod that is followed takes one.
_ENOUGH = 24


def shortage() -> str | None:
    """Return why another cluster may fail, and what to do; None if enough is left, or where nobody counts."""
    if not _LIMIT.exists():
        return None
    limit = int(_LIMIT.read_text())
    used = sum(map(_instances, Path("/proc").glob("[0-9]*")))
    if limit - used >= _ENOUGH:
        return None
    return (
        f"{used} of the {limit} inotify instances of this user are taken, and a cluster needs {_ENOUGH}: take others "
        f"down (python -m tests.cluster status), or have fs.inotify.max_user_instances raised"
    )


def _instances(process: Path) -> int:
    found = 0
    with suppress(OSError):  # it has ended, or is another user's
        if process.stat().st_uid == os.getuid():
            for descriptor in process.joinpath("fd").iterdir():
                with suppress(OSError):
                    found += os.readlink(descriptor) == "anon_inode:inotify"
    return found
