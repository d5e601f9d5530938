"""The Jupyter Servers of this user on this machine, as their runtime files tell.

A running server keeps ``jpserver-<pid>.json`` (mode 0600) in the Jupyter runtime directory: its URL and its token.
"""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

PING = "api/v1/experiment/ping"
_FILE = re.compile(r"jpserver-(\d+)\.json")
_WILDCARDS = ("", "0.0.0.0", "::", "*")  # noqa: S104 - compared with, not bound


@dataclass(frozen=True, slots=True)
class Running:
    """A server that runs: its process, its URL with the base URL, its token (empty: none)."""

    pid: int
    url: str
    token: str

    def answers(self, path: str) -> bool:
        """Ask it for ``path``; tell whether it answers 200."""
        import httpx

        headers = {"Authorization": f"token {self.token}"} if self.token else {}
        url = f"{self.url.rstrip('/')}/{path}"
        try:
            # No proxy, no certificates: these are servers of this machine.
            answer = httpx.get(url, headers=headers, timeout=5.0, trust_env=False, verify=False)  # noqa: S501
        except httpx.HTTPError:
            return False
        return answer.status_code == 200


def runtime_dir() -> Path:
    """Return the directory of the runtime files."""
    from jupyter_core.paths import jupyter_runtime_dir

    return Path(jupyter_runtime_dir())


def running_servers() -> list[Running]:
    """Return the servers whose process is there, newest first."""
    folder = runtime_dir()
    files = [path for path in folder.glob("jpserver-*.json") if _FILE.fullmatch(path.name)]
    found = [server for path in sorted(files, key=_age) if (server := read(path)) is not None]
    return [server for server in found if alive(server.pid)]


def owner_of(pids: set[int]) -> Running | None:
    """Return the server that is one of these processes."""
    return next((server for server in running_servers() if server.pid in pids), None)


def parents() -> set[int]:
    """Return the processes that may have started this kernel."""
    started_by = os.environ.get("JPY_PARENT_PID", "")
    return {os.getppid(), *([int(started_by)] if started_by.isdecimal() else [])} - {0, 1}


def kernel_id() -> str | None:
    """Return the id of the kernel this runs in, None outside of one."""
    # Only looked up: outside of a kernel nothing of it should be imported.
    kernelapp = sys.modules.get("ipykernel.kernelapp")
    app = kernelapp.IPKernelApp if kernelapp is not None else None
    if app is None or not app.initialized():
        return None
    match = re.fullmatch(r"kernel-(.+)\.json", Path(app.instance().connection_file).name)
    return match[1] if match else None


def read(path: Path) -> Running | None:
    """Return what a runtime file says, None when it is gone, half written, or of a server on a UNIX socket."""
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
        pid, url, token = int(info["pid"]), str(info["url"]), str(info.get("token") or "")
        host, port = str(info.get("hostname", "")), int(info["port"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not url.startswith(("http://", "https://")):
        return None
    if host in _WILDCARDS:
        # The file then has the machine's name, which may lead through a network, or nowhere.
        scheme = url.partition("://")[0]
        url = f"{scheme}://127.0.0.1:{port}{info.get('base_url') or '/'}"
    return Running(pid, url, token)


def alive(pid: int) -> bool:
    """Tell whether a process is there, and is of this user."""
    if sys.platform == "win32":
        return True  # there, this call would end it
    try:
        os.kill(pid, 0)
    except (OSError, OverflowError):
        return False
    return True


def _age(path: Path) -> float:
    try:
        return -path.stat().st_mtime
    except OSError:
        return 0.0
