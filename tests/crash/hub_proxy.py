"""The proxy that JupyterHub puts before the servers of its users (https://github.com/jupyterhub/configurable-http-proxy)."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from tests.cluster import cache
from tests.live_server import free_port

VERSION = "5.3.0"
_SECRET = "proxy-test"
_BIN = Path(sys.executable).parent


class HubProxy:
    """A proxy at ``url``; routes can be changed while it runs, as JupyterHub does when a server starts anew."""

    def __init__(self, url: str, api: str) -> None:
        self.url = url
        self._api = api

    def route(self, prefix: str, target: str) -> None:
        """Lead what begins with ``prefix`` to a server."""
        answer = httpx.post(
            f"{self._api}/api/routes{prefix.rstrip('/')}",
            json={"target": target},
            headers={"Authorization": f"token {_SECRET}"},
            trust_env=False,
        )
        answer.raise_for_status()


@contextmanager
def hub_proxy(log: Path) -> Iterator[HubProxy]:
    """Run the proxy on loopback; it is installed once per machine."""
    script = cache.folder("proxy", cache.key(VERSION), _install) / "node_modules/.bin/configurable-http-proxy"
    port, api = free_port(), free_port()
    options = ("--ip", "127.0.0.1", "--port", str(port), "--api-ip", "127.0.0.1", "--api-port", str(api))
    env = {"PATH": os.pathsep.join([str(_BIN), os.environ["PATH"]]), "CONFIGPROXY_AUTH_TOKEN": _SECRET}
    with log.open("wb") as file:
        process = subprocess.Popen([_BIN / "node", script, *options], env=env, stdout=file, stderr=file)
    try:
        proxy = HubProxy(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{api}")
        _wait(f"http://127.0.0.1:{api}/api/routes", process, log)
        yield proxy
    finally:
        process.kill()
        process.wait()


def _install(folder: Path) -> None:
    subprocess.run(
        [_BIN / "npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder,
         f"configurable-http-proxy@{VERSION}"],
        env={**os.environ, "PATH": os.pathsep.join([str(_BIN), os.environ["PATH"]])}, check=True,
    )  # fmt: skip


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text(errors="replace")
        with suppress(httpx.TransportError):
            httpx.get(url, trust_env=False)  # 403 without its token: it is there
            return
        time.sleep(0.05)
    raise AssertionError(f"the proxy does not answer:\n{log.read_text(errors='replace')}")
