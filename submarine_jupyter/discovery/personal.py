"""A server of one's own for kernels that no Jupyter Server has started: VS Code, a plain IPython, a script.

One per user and machine: whoever comes first starts it, the others find it. It listens on loopback only, with a random
token that is known from its runtime file (mode 0600) alone, and ends when nobody has used it for a while.
"""

from __future__ import annotations

import json
import os
import platform
import re
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from submarine_jupyter.discovery.login_environment import clean_environment
from submarine_jupyter.discovery.processes import identity
from submarine_jupyter.discovery.running import PATIENCE_S, PING, Running, owner_of, runtime_dir
from submarine_jupyter.errors import ServerNotFound
from submarine_jupyter.files import atomic_files, file_locks

START_S = 60.0
IDLE_S = 12 * 3600
SILENT_S = 2.0
_LAST_LINES = 5
Say = Callable[[str], object]


def personal_server(say: Say) -> Running:
    """Return the user's own server, started if there is none; ``say`` gets a sentence before each wait.

    Raises ServerNotFound.
    """
    folder = runtime_dir()
    try:
        return _personal_server(folder, say)
    except OSError as error:
        raise ServerNotFound(
            f"No Submarine server is running, and none can be started: {error}.",
            hint=f"The server keeps its files in {folder}; set JUPYTER_RUNTIME_DIR to use another folder.",
        ) from None


def _personal_server(folder: Path, say: Say) -> Running:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A home may be shared by machines, on which a process id means something else.
    name = f"submarine-server-{re.sub('[^A-Za-z0-9.-]', '_', platform.node())}"
    with _one_at_a_time(folder / f"{name}.lock", say):
        note = folder / f"{name}.json"
        pid = _noted(note)
        server = None if pid is None else _noted_server(pid, say)
        return server or _start(note, folder / f"{name}.log", say)


def _noted(note: Path) -> int | None:
    """Return the process in the note, None when it has ended: its number may be another's now."""
    try:
        known = json.loads(note.read_text(encoding="utf-8"))
        pid = int(known["pid"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return pid if identity(pid) is not None and identity(pid) == known.get("identity") else None


def _noted_server(pid: int, say: Say) -> Running | None:
    """Return the server that is known to run once it answers; None when it ends meanwhile. Raises ServerNotFound.

    It may be starting, or busy. Another one in its place would not have the experiments' database to itself.
    """
    first = _wait(pid, SILENT_S)
    if first is None and identity(pid) is not None:
        say(f"Waiting for your personal server (process {pid}) to answer ...")
        first = _wait(pid, START_S)
    if first is None and identity(pid) is not None:
        raise ServerNotFound(
            f"Your personal server (process {pid}) does not answer.",
            hint=f"End the process ('kill -9 {pid}') and try again. Experiments go on without it.",
        )
    return first


def _start(note: Path, log: Path, say: Say) -> Running:
    if find_spec("submarine_jupyter_server") is None or find_spec("jupyter_server") is None:
        raise ServerNotFound(
            "No Submarine server is running, and none can be started here.",
            hint=f"Install it for this kernel: {sys.executable} -m pip install submarine_jupyter",
        )
    say("Starting your personal server ...")
    log.touch(mode=0o600)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "submarine_jupyter_server", *_arguments()],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=_home(),
            # The token is in no argument list, where every user could read it.
            env={**clean_environment(os.environ), "JUPYTER_TOKEN": secrets.token_urlsafe(32)},
            start_new_session=True,  # it outlives the kernel, and Ctrl-C is not meant for it
        )
    # Before the wait: whoever comes while it starts, or after this kernel was killed, finds it.
    known = {"pid": process.pid, "identity": identity(process.pid)}
    atomic_files.replace(note, json.dumps(known), durable=False)
    try:
        server = _wait(process.pid, START_S, lambda: process.poll() is None)
        if server is None:
            process.kill()
            process.wait()
            raise ServerNotFound(
                f"The server did not start: {' '.join(_last_lines(log)) or 'it wrote nothing'}",
                hint=f"Read its log, {log}; '{sys.executable} -m submarine_jupyter_server' starts the server by hand.",
            )
    finally:
        process.returncode = process.returncode or 0  # it shall outlive this object: Popen complains otherwise
    say(f"Started your personal server at {server.url}; it ends when it has been idle for 12 h.")
    return server


def _arguments() -> list[str]:
    found = [
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={_free_port()}",  # 8888 is for the 'jupyter lab' of the same user
        "--ServerApp.open_browser=False",
        f"--ServerApp.root_dir={_home()}",
        f"--ServerApp.shutdown_no_activity_timeout={IDLE_S}",  # an experiment that has not ended is activity
    ]
    # This code runs as root already.
    return [*found, "--ServerApp.allow_root=True"] if os.getuid() == 0 else found


def _home() -> Path:
    """Return the user's folder; a container may run under a number that has none."""
    try:
        return Path.home()
    except RuntimeError:
        return runtime_dir()


def _free_port() -> int:
    """Return a port that is free now; Jupyter tries the next ones if it is taken meanwhile."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(pid: int, seconds: float, lives: Callable[[], bool] | None = None) -> Running | None:
    """Return the server of a process once it answers, None when it has ended or time is over."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and (lives() if lives else identity(pid) is not None):
        server = owner_of({pid})
        # The file is there a moment before the server listens.
        if server is not None and server.answers(PING, min(left, PATIENCE_S)):
            return server
        time.sleep(0.05)
    return None


@contextmanager
def _one_at_a_time(path: Path, say: Say) -> Iterator[None]:
    path.touch(mode=0o600)
    with path.open("a") as lock:
        if not file_locks.try_lock(lock.fileno()):
            say("Waiting for your personal server, which another notebook is starting ...")
            file_locks.wait_for_lock(lock.fileno())
        yield


def _last_lines(log: Path) -> list[str]:
    try:
        return log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
    except OSError:
        return []
