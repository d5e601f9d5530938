"""Locks on files (flock): the kernel frees them with the process, however that ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


def try_lock(descriptor: int, *, shared: bool = False) -> bool:
    """Lock an open file, alone or ``shared`` with others; return False while somebody else has it. Raises OSError."""
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait_for_lock(descriptor: int) -> None:
    """Lock an open file alone, however long that takes. Raises OSError."""
    fcntl.flock(descriptor, fcntl.LOCK_EX)


def is_at(descriptor: int, path: Path) -> bool:
    """Return whether an open file is the one at ``path``: one that was removed keeps its lock, and locks out nobody."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except OSError:
        return False
