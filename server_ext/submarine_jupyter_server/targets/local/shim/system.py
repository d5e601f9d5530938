"""What this system lacks of all that the shim relies on: said on each experiment, never silently absent."""

from __future__ import annotations

import os
import sys

from .processes import tree
from .replica import spawn


def lacks(*, subreaper: bool, child: int) -> list[str]:
    """Return a sentence for each thing that is missing here; ``child`` is the pid of a child that is not reaped yet."""
    found = []
    if child not in tree.children(os.getpid()):
        found.append(
            "local: this system does not report which processes a process has started (Linux does in"
            " /proc/<pid>/task/<tid>/children): what a replica leaves running outside of its process group is not ended"
        )
    elif not subreaper:
        found.append(
            "local: this system gives orphaned processes to no supervisor: one that makes itself a daemon is not ended"
        )
    if not spawn.has_deathsig:
        found.append(
            "local: this system does not end a replica with its supervisor: if that one is killed, replicas go on"
        )
    if not tree.read(f"/proc/{os.getpid()}/statm"):
        found.append(
            f"local: memory is not watched on this system ({sys.platform}): nothing holds a replica to its limit"
        )
    return found
