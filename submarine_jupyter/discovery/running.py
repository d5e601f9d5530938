"""The Jupyter Servers of this user on this machine, as their runtime files name them.

A running server keeps ``jpserver-<pid>.json`` (mode 0600) in the Jupyter runtime directory: its URL and its token.
"""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from submarine_jupyter.discovery.processes import alive, listens

PING = "api/v1/experiment/ping"
PATIENCE_S = 5.0
_FILE = re.compile(r"jpserver-(\d+)\.json")
# Where a server that listens everywhere is reached; Jupyter binds '::' to IPv6 alone (tornado sets IPV6_V6ONLY).
_WILDCARDS = {"": "127.0.0.1", "*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - not bound


@dataclass(frozen=True, slots=True)
class Running:
    """A server that runs: its process, its URL with the base URL, its token (empty: none), the port it listens on.

    ``root`` is the folder whose files it shows, empty where the file does not say it.
    """

    pid: int
    url: str
    token: str
    port: int
    root: str = ""

    def path_of(self, file: str) -> str:
        """Return the path by which the server and its pages name a file; the file as it is where they do not."""
        inside = self.root and Path(file).is_relative_to(self.root)
        return Path(file).relative_to(self.root).as_posix() if inside else file

    def answers(self, path: str, seconds: float = PATIENCE_S) -> bool:
        """Ask it for ``path``; return whether it answers 200 in that time."""
        return self._get(path, self.token, seconds) is not None

    def is_itself(self) -> bool:
        """Return whether what listens there is the server that has written the file: only that one gets its token."""
        if not alive(self.pid):
            return False
        found = listens(self.pid, self.port)
        if found is None:  # not Linux: at least a Jupyter Server, which answers this to anybody
            return b'"version"' in (self._get("api", "") or b"")
        return found

    def _get(self, path: str, token: str, seconds: float = PATIENCE_S) -> bytes | None:
        import httpx

        headers = {"Authorization": f"token {token}"} if token else {}
        url = f"{self.url.rstrip('/')}/{path}"
        try:
            # No proxy, no certificates: these are servers of this machine.
            answer = httpx.get(url, headers=headers, timeout=seconds, trust_env=False, verify=False)  # noqa: S501
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            return None
        return answer.content if answer.status_code == 200 else None


def runtime_dir() -> Path:
    """Return the directory of the runtime files."""
    from jupyter_core.paths import jupyter_runtime_dir

    return Path(jupyter_runtime_dir())


def running_servers() -> list[Running]:
    """Return the servers that are there, newest first."""
    folder = runtime_dir()
    files = [path for path in folder.glob("jpserver-*.json") if _FILE.fullmatch(path.name)]
    found = [server for path in sorted(files, key=_age) if (server := read(path)) is not None]
    return [server for server in found if server.is_itself()]


def owner_of(pids: set[int]) -> Running | None:
    """Return the server that is one of these processes."""
    files = [runtime_dir() / f"jpserver-{pid}.json" for pid in pids]
    found = [server for path in files if (server := read(path)) is not None and server.pid in pids]
    return next((server for server in found if server.is_itself()), None)


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
        host, port, root = str(info.get("hostname", "")), int(info["port"]), str(info.get("root_dir") or "")
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not is_url(url):
        return None
    if host in _WILDCARDS:
        # The file then has the machine's name, which may lead through a network, or nowhere.
        scheme = url.partition("://")[0]
        url = f"{scheme}://{_WILDCARDS[host]}:{port}{info.get('base_url') or '/'}"
    return Running(pid, url, token or _own_token(path.with_name(f"submarine-{pid}.token")), port, root)


def _own_token(path: Path) -> str:
    """Return the token for kernels of a server that Jupyter itself lets anybody into, behind a proxy it trusts."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def loopback(host: str) -> str:
    """Return where on this machine to reach a server that listens on ``host``, as it stands in a URL."""
    if host in _WILDCARDS:
        return _WILDCARDS[host]
    return f"[{host}]" if ":" in host else host


def is_url(url: str) -> bool:
    """Return whether a text is the address of a server."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _age(path: Path) -> float:
    try:
        return -path.stat().st_mtime
    except OSError:
        return 0.0
