"""Start a process that outlives us, find it again and end it: always by its pid and the time it started."""

import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class Process:
    """A process we started; `created` (seconds since the epoch) tells it from a later one with the same pid."""

    pid: int
    created: float

    def alive(self) -> bool:
        """Whether it runs; a zombie does not, once its last thread has ended."""
        found = self._find()
        try:
            return found is not None and (found.status() != psutil.STATUS_ZOMBIE or found.num_threads() > 1)
        except psutil.NoSuchProcess:
            return False

    def children(self) -> list["Process"]:
        """Return the processes it started that still are its children."""
        found = self._find()
        return [Process(child.pid, child.create_time()) for child in found.children()] if found else []

    def _find(self) -> psutil.Process | None:
        try:
            found = psutil.Process(self.pid)
            return found if found.create_time() == self.created else None
        except psutil.NoSuchProcess:
            return None


def kill(*processes: Process) -> None:
    """End processes at once, as a crash would, and wait until they have ended."""
    for process in processes:
        if process.alive():
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
    for process in processes:
        with suppress(ChildProcessError):
            os.waitpid(process.pid, 0)
        # Another one's child stays a zombie until that one looks, which may take seconds: it has ended all the same.
        while process.alive():
            time.sleep(0.01)


def myself() -> Process:
    """Return the process that runs this code."""
    return Process(os.getpid(), psutil.Process().create_time())


def spawn(command: Sequence[str | Path], log: Path, environment: Mapping[str, str]) -> Process:
    """Start a command in a session of its own, with nothing inherited but `environment`; its output goes to `log`."""
    argv = [str(part) for part in command]
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    # Not subprocess: its objects warn when they are dropped while the process runs, which is the point here.
    pid = os.posix_spawn(
        argv[0],
        argv,
        environment,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), append, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    return Process(pid, psutil.Process(pid).create_time())
