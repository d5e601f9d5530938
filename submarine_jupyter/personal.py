"""A server of one's own for kernels that no Jupyter Server has started: VS Code, a plain IPython, a script.

One per user: whoever comes first starts it, the others find it. It listens on loopback only, with a random token
that is known from its runtime file (mode 0600) alone.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from submarine_jupyter.errors import ServerNotFound
from submarine_jupyter.running import PING, Running, owner_of, runtime_dir

START_S = 60.0
_LAST_LINES = 5


def personal_server() -> tuple[Running, bool]:
    """Return the user's own server, and whether it was started just now. Raises ServerNotFound."""
    folder = runtime_dir()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _one_at_a_time(folder / "submarine-server.lock"):
        noted = folder / "submarine-server.pid"
        server = _noted(noted)
        if server is not None:
            return server, False
        if find_spec("submarine_jupyter_server") is None or find_spec("jupyter_server") is None:
            raise ServerNotFound(
                "There is no Submarine server, and none can be started here.",
                hint=f"Install it for this kernel: {sys.executable} -m pip install submarine_jupyter",
            )
        return _start(noted, folder / "submarine-server.log"), True


def _noted(path: Path) -> Running | None:
    try:
        pid = int(path.read_text())
    except (OSError, ValueError):
        return None
    server = owner_of({pid})
    # After a power cut the files of a dead server can name the process of something else.
    return server if server and server.answers(PING) else None


def _start(noted: Path, log: Path) -> Running:
    arguments = ["--ServerApp.ip=127.0.0.1", "--ServerApp.open_browser=False", f"--ServerApp.root_dir={Path.home()}"]
    if os.getuid() == 0:
        arguments.append("--ServerApp.allow_root=True")  # this code runs as root already
    log.touch(mode=0o600)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "submarine_jupyter_server", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=Path.home(),
            env=_environment(),
            start_new_session=True,  # it outlives the kernel, and Ctrl-C is not meant for it
        )
    try:
        return _wait(process, noted, log)
    except BaseException:
        process.kill()  # nobody would find it
        raise


def _wait(process: subprocess.Popen[bytes], noted: Path, log: Path) -> Running:
    """Return the server once it answers, and note its process for the others. Raises ServerNotFound."""
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        server = owner_of({process.pid})
        # The file is there a moment before the server listens.
        if server is not None and server.answers(PING):
            noted.write_text(str(process.pid))
            return server
        time.sleep(0.05)
    raise ServerNotFound(
        f"A server could not be started: {' '.join(_last_lines(log)) or 'it wrote nothing'}",
        hint=f"Its log is {log}; '{sys.executable} -m submarine_jupyter_server' starts it by hand.",
    )


def _environment() -> dict[str, str]:
    """Return the environment of the server: the token is in no argument list, where every user could read it."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("JPY_", "SUBMARINE_TOKEN"))}
    return {**own, "JUPYTER_TOKEN": secrets.token_urlsafe(32)}


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    path.touch(mode=0o600)
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _last_lines(log: Path) -> list[str]:
    try:
        return log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
    except OSError:
        return []
