"""What the service is told when it is opened: plain values, filled from the traits of the extension."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from submarine_jupyter.errors import Unavailable


def _nobody(data: dict[str, object]) -> None:
    """Emit an event that nobody listens to."""


@dataclass(frozen=True, slots=True)
class ServiceConfig:
    """Configure the service.

    Times are seconds, sizes bytes, ``local_memory`` a Kubernetes quantity; None means "what the machine has"
    for ``local_cpus`` and ``local_memory``, and "for ever" for ``retention_days``. ``emit`` takes one event
    of ``events/experiment.yaml`` and is called on the event loop.
    """

    data_dir: Path
    namespace: str = "default"
    namespaces: tuple[str, ...] = ("default",)
    default_target: str = "local"
    local_cpus: float | None = None
    local_memory: str | None = None
    grace_seconds: float = 10.0
    log_cap_bytes: int = 1 << 30
    retention_days: float | None = None
    reconcile_seconds: float = 300.0
    emit: Callable[[dict[str, object]], None] = _nobody


def private_directory(path: Path) -> None:
    """Make ``path`` a directory that only its owner, this user, can enter (mode 0700).

    Raises Unavailable when it belongs to somebody else or is a symbolic link: logs and secrets go there.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise Unavailable(
            f"The data directory {path} is not a directory of this user.",
            hint="Set SubmarineExtension.data_dir, or SUBMARINE_DATA_DIR, to a directory of your own.",
        )
    if found.st_mode & 0o077:
        path.chmod(0o700)
