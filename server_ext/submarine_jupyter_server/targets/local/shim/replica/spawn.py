"""Start one replica by fork and exec: as the leader of its own session, and never outliving the shim."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
from collections.abc import Iterator

from ..exchange.plan import Item
from . import execute

PR_SET_PDEATHSIG = 1  # prctl(2)
PR_SET_CHILD_SUBREAPER = 36
NICENESS = 5
OOM_SCORE_ADJ = b"500"  # under memory pressure the kernel takes a replica before the notebook server
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
_files = resource.getrlimit(resource.RLIMIT_NOFILE)
has_deathsig = _prctl is not None


def take_descriptors() -> None:
    """Open as many files as the system allows: each replica takes four. Replicas have the limit they would have."""
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (_files[1], _files[1]))


@contextlib.contextmanager
def reserve_descriptors(count: int) -> Iterator[None]:
    """Let what is done meanwhile leave ``count`` descriptors: to look after replicas takes some as well."""
    held: list[int] = []
    try:
        with contextlib.suppress(OSError):
            while len(held) < count:
                held.append(os.dup(0))
        yield
    finally:
        for fd in held:
            os.close(fd)


def become_subreaper() -> bool:
    """Make every orphan below this process its child, so that none escapes; return whether the system does that."""
    return _prctl is not None and _prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


def spawn(item: Item, output: int) -> tuple[int, int]:
    """Start the program of a replica with both outputs going to ``output``; return its pid and a pipe.

    The pipe closes once the program runs. What cannot be started says so on its output and exits with 127 (not found)
    or 126, as a shell does it.
    """
    ready, writer = os.pipe()
    parent = os.getpid()
    # A signal between fork and exec would be taken for one to the shim: they share the wake-up pipe.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid == 0:
            try:
                _leave(output, parent)
                execute.become(item)
            finally:
                os._exit(127)
    except OSError:
        os.close(ready)
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.close(writer)
    return pid, ready


def _leave(output: int, parent: int) -> None:
    """Stop being a part of the shim."""
    os.setsid()
    if _prctl is not None:
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(127)
    os.dup2(output, 1)
    os.dup2(output, 2)
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)  # what is ignored stays so in the new program
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, _files)
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "wb", buffering=0) as file:
        file.write(OOM_SCORE_ADJ)
