"""A real Jupyter Server with the extension as a process of its own, to be measured or killed."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

TOKEN = "live-test"
START_S = 40.0
# The command ``jupyter submarine``, but without a grammar that jsonschema can do without: to compute it takes three
# quarters of the time that a server needs to start.
COMMAND = "import sys; sys.modules['rfc3987_syntax'] = None; from submarine_jupyter_server.app import main; main()"
# Not those that the system gives to connections: one of them might be in use when the server comes to take it.
PORTS = range(12000, 20000)


class LiveServer:
    """A server on one data directory, which may be started again and again; ``options`` are for its command line."""

    def __init__(self, folder: Path, *options: str, ip: str = "127.0.0.1", base_url: str = "/") -> None:
        self.folder = folder
        self.ip = ip
        self.base_url = base_url
        self.options = options
        self.data = folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self.http = httpx.Client(headers={"Authorization": f"token {TOKEN}"}, timeout=30, trust_env=False)

    def start(self, failpoint: str | None = None) -> None:
        """Start it; it may die of its failpoint at any moment from now on."""
        port = free_port()
        self.url = f"http://127.0.0.1:{port}{self.base_url}api/v1/experiment"
        env = {key: value for key, value in os.environ.items() if not key.startswith(("JUPYTER", "JPY", "KUBERNETES_"))}
        env |= {f"JUPYTER_{kind}_DIR": str(self.folder / kind.lower()) for kind in ("CONFIG", "RUNTIME", "DATA")}
        env |= {
            # Only this extension: the others of the environment would double the time of each start.
            "JUPYTER_NO_CONFIG": "1",
            "TMPDIR": str(self.folder),  # jupyter_core leaves the empty folder that it makes for that
            "JUPYTER_TOKEN": TOKEN,
            "SUBMARINE_DATA_DIR": str(self.data),
            "SUBMARINE_FAILPOINT": failpoint or "",
        }
        where = (f"--ServerApp.ip={self.ip}", f"--ServerApp.port={port}", f"--ServerApp.base_url={self.base_url}")
        arguments = (*where, "--ServerApp.port_retries=0")
        options = ("--allow-root", "--no-browser", "--SubmarineExtension.grace_seconds=1")
        root = f"--ServerApp.root_dir={self.folder}"
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", COMMAND, *arguments, *options, *self.options, root],
                env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, start_new_session=True,
            )  # fmt: skip

    def wait_ready(self) -> bool:
        """Wait until it answers; False when it died before."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self.exit_code() is not None:
                return False
            with contextlib.suppress(httpx.TransportError):
                # A list, not a ping: it waits for the database.
                if self.http.get(self.url, params={"limit": 1}).status_code == 200:
                    return True
            time.sleep(0.05)
        raise AssertionError(f"the server does not answer:\n{self.log()}")

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None
        return self._process.pid

    def exit_code(self) -> int | None:
        """Return how the process ended, None while it lives."""
        assert self._process is not None
        return self._process.poll()

    def wait_dead(self, seconds: float) -> int | None:
        """Wait until it has ended."""
        assert self._process is not None
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def log(self) -> str:
        """Return what the servers on this folder wrote."""
        return (self.folder / "server.log").read_text(errors="replace")[-6000:]

    def result(self, method: str, path: str = "", **more: Any) -> Any:
        """Call the API and return the result. Raises httpx.HTTPError, also when the server died meanwhile."""
        answer = self.http.request(method, f"{self.url}{path}", **more)
        answer.raise_for_status()
        return answer.json()["result"]

    def ended(self, experiment_id: str, seconds: float = 40) -> dict[str, Any]:
        """Wait until an experiment has ended; return it with its details."""
        deadline = time.monotonic() + seconds
        while True:
            found: dict[str, Any] = self.result("GET", f"/{experiment_id}", params={"view": "full"})
            if found["status"] in ("Succeeded", "Failed"):
                return found
            assert time.monotonic() < deadline, f"still {found['status']}: {found['detail']}\n{self.log()}"
            time.sleep(0.05)


def processes_of(experiment_id: str) -> list[int]:
    """Return the processes that carry the experiment's id in their environment."""
    found = []
    marker = f"SUBMARINE_EXPERIMENT_ID={experiment_id}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if marker in (entry / "environ").read_bytes() and b"Z" not in (entry / "stat").read_bytes().split()[2]:
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def kill_experiments(folder: Path) -> None:
    """Kill what the servers on a folder have started."""
    for pid in processes_of("experiment-"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if str(folder).encode() in Path(f"/proc/{pid}/environ").read_bytes():
                os.kill(pid, signal.SIGKILL)


def free_port() -> int:
    """Return a port of loopback that nobody has, nor is likely to take soon."""
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            port = random.choice(PORTS)
            probe.bind(("127.0.0.1", port))
            return port
