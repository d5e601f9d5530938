"""Start one replica by fork and exec: as the leader of its own session, and never outliving the shim."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import select
import signal
import sys

PR_SET_PDEATHSIG = 1  # prctl(2)
PR_SET_CHILD_SUBREAPER = 36
NICENESS = 5
EXEC_PATIENCE_MS = 5000
OOM_SCORE_ADJ = b"500"  # under memory pressure the kernel takes a replica before the notebook server
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
_RESET = (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ)


def wait_until_running(ready: int) -> None:
    """Wait until the program behind a pipe of ``spawn`` runs; not for ever: its folder may be on a dead server."""
    poll = select.poll()
    poll.register(ready, select.POLLIN)
    poll.poll(EXEC_PATIENCE_MS)
    os.close(ready)


def become_subreaper() -> None:
    """Make every orphan below this process its child, so that none escapes."""
    if _prctl is not None:
        _prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def spawn(argv: list[str], env: dict[str, str], cwd: str, output: int) -> tuple[int, int]:
    """Start ``argv`` with both outputs going to ``output``; return its pid and a pipe that closes once it runs.

    What cannot be started says so on its output and exits with 127 (not found) or 126, as a shell does it.
    """
    ready, writer = os.pipe()
    parent = os.getpid()
    # A signal between fork and exec would be taken for one to the shim: they share the wake-up pipe.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid == 0:
            try:
                _become(argv, env, cwd, output, parent)
            finally:
                os._exit(127)
    except OSError:
        os.close(ready)
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.close(writer)
    return pid, ready


def _become(argv: list[str], env: dict[str, str], cwd: str, output: int, parent: int) -> None:
    os.setsid()
    if _prctl is not None:
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(127)
    os.dup2(output, 1)
    os.dup2(output, 2)
    signal.set_wakeup_fd(-1)
    for number in _RESET:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "wb", buffering=0) as file:
        file.write(OOM_SCORE_ADJ)
    try:
        os.chdir(cwd)
        os.execvpe(argv[0], argv, env)  # noqa: S606
    except OSError as error:
        os.write(2, f"submarine: cannot run {argv[0]!r} in {cwd!r}: {error.strerror}\n".encode(errors="replace"))
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)
