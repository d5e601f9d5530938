"""Become the one shim of an attempt, or leave."""

from __future__ import annotations

import fcntl
import os
import sys
import time

from .exchange import record
from .failpoint import reach
from .processes.identity import here
from .replica.spawn import become_subreaper, take_descriptors
from .supervisor import Supervisor

LOCK_PATIENCE_S = 2.0


def main(folder: str) -> int:
    """Supervise the attempt in ``folder`` to its end; return the exit code of this process.

    The lock makes it the only shim of the attempt, ``started`` the only one ever: replicas start once or never.
    """
    # Held until this process is gone, however it goes: that is how others know that it lives.
    lock = _lock(folder)
    if lock is None or _is_begun(folder):
        return 0
    reach("shim_spawned")
    record.reserve(f"{folder}/exit.json")
    take_descriptors()
    subreaper = become_subreaper()
    supervisor = Supervisor(folder, lock, subreaper=subreaper)
    record.write_file(f"{folder}/started", here(os.getpid()), durable=True)
    try:
        reach("shim_started")
        supervisor.run()
    except Exception as error:  # noqa: BLE001 - the root of the process: what was started must have an end
        sys.excepthook(type(error), error, error.__traceback__)  # to shim.log
        supervisor.fail(error)
        return 1
    return 0


def _is_begun(folder: str) -> bool:
    return os.path.exists(f"{folder}/started") or os.path.exists(f"{folder}/exit.json")


def _lock(folder: str) -> int | None:
    fd = os.open(f"{folder}/lock", os.O_RDWR | os.O_CREAT, 0o600)
    until = time.monotonic() + LOCK_PATIENCE_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # A server may be looking whether it is free, which takes an instant.
            if time.monotonic() > until or _is_begun(folder):
                os.close(fd)
                return None
            time.sleep(0.01)
        else:
            return fd
