"""Find the Submarine server that belongs to this kernel.

In this order:

1. what was said: arguments, or SUBMARINE_URL and SUBMARINE_TOKEN;
2. on a JupyterHub, the user's own server;
3. the running Jupyter Server that has started this kernel;
4. a personal server on loopback, started if there is none.

A token is only ever sent to the server it came with.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

from submarine_jupyter.client.calls.proxies import on_this_machine
from submarine_jupyter.discovery.running import (
    PING,
    Running,
    is_url,
    kernel_id,
    loopback,
    owner_of,
    parents,
    running_servers,
)
from submarine_jupyter.errors import ServerNotFound

if TYPE_CHECKING:
    from submarine_jupyter.client.client import SubmarineClient

log = logging.getLogger(__name__)
Say = Callable[[str], object]

# A page of JupyterLab or Notebook at the end of an address, but not the user of a hub who is called so.
_PAGE = re.compile(r"(?<!/user)/(?:lab|doc|notebooks|tree)(?:/(?:tree|workspaces)/.*)?/?$")


@dataclass(frozen=True, slots=True)
class Connection:
    """Where a server is, its token, and in a few words how it was found."""

    url: str
    token: str | None
    found: str

    def __repr__(self) -> str:
        return f"Connection(url={self.url!r}, found={self.found!r})"


def connect(url: str | None = None, token: str | None = None) -> SubmarineClient:
    """Return a client of the server at ``url``, or of the one that belongs to this kernel.

    Raises ServerNotFound when nothing answers there or it has no Submarine extension, Forbidden when the token is
    not the right one.
    """
    return client_of(find(url, token))


def client_of(connection: Connection) -> SubmarineClient:
    """Return a client once the server has answered. Raises ServerNotFound, Forbidden."""
    from submarine_jupyter.client.client import SubmarineClient

    client = SubmarineClient(connection.url, connection.token)
    try:
        client.ping()
    except BaseException:
        client.close()
        raise
    return client


def found_client(url: str | None, token: str | None, say: Say) -> tuple[SubmarineClient, str]:
    """Return a client once the server has answered, and how it was found. Raises ServerNotFound, Forbidden."""
    connection = find(url, token, say=say)
    return client_of(connection), connection.found


def find(url: str | None = None, token: str | None = None, *, say: Say = log.warning) -> Connection:
    """Return the connection of this kernel; ``say`` gets a sentence before a wait. Raises ServerNotFound."""
    if url:
        return _said(url, token, "as given")
    if address := os.environ.get("SUBMARINE_URL"):
        said = _said(
            address, token or os.environ.get("SUBMARINE_TOKEN") or _own_hub_token(address), "from SUBMARINE_URL"
        )
        return said if said.token else replace(said, token=_hub_token(said.url))
    return _hub() or _owner() or _personal(say)


def _said(url: str, token: str | None, found: str) -> Connection:
    """Read an address as people have it: perhaps copied from a browser, with the page and the token in it."""
    try:
        parts = urlsplit(url.strip() if "://" in url else f"http://{url.strip()}")
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ServerNotFound(
            f"{url[:200]!r} is not the address of a server.", hint="An address looks like http://127.0.0.1:8888/"
        )
    path = _PAGE.sub("", parts.path)
    token = token or next(iter(parse_qs(parts.query).get("token", ())), None)
    clean = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], path.rstrip("/") + "/", "", ""))
    return Connection(clean, token or _known_token(clean), found)


def _known_token(url: str) -> str | None:
    """Return the token of the server of this user that runs at exactly this address."""
    return next((server.token or None for server in running_servers() if _same(server.url, url)), None)


def _same(one: str, other: str) -> bool:
    first, second = urlsplit(one), urlsplit(other)
    return (first.scheme, first.hostname, first.port, first.path.rstrip("/")) == (
        second.scheme,
        second.hostname,
        second.port,
        second.path.rstrip("/"),
    )


def _own_hub_token(address: str) -> str | None:
    """Return the hub's token for the user's own server on this machine, whose runtime file may name another one."""
    prefix = os.environ.get("JUPYTERHUB_SERVICE_PREFIX")
    own = prefix and is_url(address) and on_this_machine(address)
    return os.environ.get("JUPYTERHUB_API_TOKEN") if own and urlsplit(address).path.startswith(prefix or "/") else None


def _hub_token(url: str) -> str | None:
    """Return the token this server has from its JupyterHub, for an address of that hub."""
    token = os.environ.get("JUPYTERHUB_API_TOKEN")
    names = ("JUPYTERHUB_API_URL", "JUPYTERHUB_HOST", "JUPYTERHUB_PUBLIC_URL", "JUPYTERHUB_PUBLIC_HUB_URL")
    known = [os.environ[name] for name in (*names, "JUPYTERHUB_SERVICE_URL") if is_url(os.environ.get(name, ""))]
    hosts = {urlsplit(one).hostname for one in known}
    return token if on_this_machine(url) or urlsplit(url).hostname in hosts else None


def _hub() -> Connection | None:
    """Return the user's own server on a JupyterHub: it runs beside this kernel, behind the hub's proxy."""
    prefix, token = os.environ.get("JUPYTERHUB_SERVICE_PREFIX"), os.environ.get("JUPYTERHUB_API_TOKEN")
    if not prefix or not token:
        return None
    server = owner_of(parents())
    if server is not None:
        # Its own token, if it has one, opens nothing: the hub decides, and knows this one.
        return Connection(server.url, token, "your server on JupyterHub")
    said = os.environ.get("JUPYTERHUB_SERVICE_URL", "")
    listens = urlsplit(said if is_url(said) else "http://127.0.0.1:8888")
    here = listens.hostname if listens.hostname in ("::", "::1") else ""
    host = f"{listens.scheme or 'http'}://{loopback(here or '')}:{listens.port or 8888}"
    return Connection(f"{host}{quote(prefix, safe='/@%~!*')}", token, "your server on JupyterHub")


def _owner() -> Connection | None:
    """Return the running Jupyter Server of this kernel, unless it wants a password: a kernel has none."""
    server = owner_of(parents()) or _keeper(kernel_id())
    if server is None or not (server.token or server.answers(PING)):
        return None
    return Connection(server.url, server.token or None, "the Jupyter Server of this notebook")


def _keeper(kernel: str | None) -> Running | None:
    """Return the running server that says the kernel is its own: between the two may be another process."""
    if kernel is None:
        return None
    return next((server for server in running_servers() if server.answers(f"api/kernels/{kernel}")), None)


def _personal(say: Say) -> Connection:
    if sys.platform == "win32":
        raise ServerNotFound(
            "This kernel has no Submarine server.",
            hint="Start one ('jupyter submarine'), then: %submarine connect",
        )
    from submarine_jupyter.discovery.personal import personal_server

    server = personal_server(say)
    return Connection(server.url, server.token or None, "your personal server")
