"""Start shims, detached from the server so that they survive it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from submarine_jupyter.errors import TargetUnavailable
from submarine_jupyter_server.targets.local.rundir import files
from submarine_jupyter_server.targets.local.rundir.folders import Attempt

from .orphans import find

_SHIM = Path(__file__).parents[1] / "shim" / "__main__.py"
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SUBMARINE_FAILPOINT")
LAST_BYTES = 4096
# Shims are ours to reap, also after the target that started them is closed; nothing more.
_children: dict[Path, int] = {}


def spawn(attempt: Attempt) -> None:
    """Start a shim for an attempt; one too many ends itself. Raises TargetUnavailable if none can be started."""
    reap()
    log = files.open_regular(attempt.path / "shim.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        child = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_SHIM), str(attempt.path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
            start_new_session=True,
        )
    except OSError as error:
        raise TargetUnavailable(f"the supervisor of the experiment cannot be started: {error}") from error
    finally:
        os.close(log)
    _children[attempt.path] = child.pid
    child.returncode = 0  # it shall outlive this object: otherwise Popen complains that it does


def is_starting(attempt: Attempt) -> bool:
    """Return whether a shim that was started here still runs."""
    child = _children.get(attempt.path)
    return child is not None and _runs(child)


def shims(attempt: Attempt) -> list[tuple[int, int | None]]:
    """Return pid and start of the shims of an attempt, whoever started them and whatever its files say."""
    return find(f"{_SHIM.parent.name}/{_SHIM.name}", str(attempt.path))


def reap() -> bool:
    """Let go of the shims that ended; return whether some have not."""
    for path, child in list(_children.items()):
        if not _runs(child):
            _children.pop(path, None)
    return bool(_children)


def _runs(child: int) -> bool:
    try:
        return os.waitpid(child, os.WNOHANG)[0] == 0
    except ChildProcessError:
        return False


def complaint(attempt: Attempt) -> str:
    """Return the last line a shim wrote about its own trouble, empty if it had none."""
    try:
        fd = files.open_regular(attempt.path / "shim.log", os.O_RDONLY)
    except (OSError, files.Unreadable):
        return ""
    with open(fd, "rb") as file:
        file.seek(max(os.fstat(fd).st_size - LAST_BYTES, 0))
        lines = file.read(LAST_BYTES).decode(errors="replace").strip().splitlines()
    return "".join(c for c in lines[-1][:500] if c.isprintable()) if lines else ""
