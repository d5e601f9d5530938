"""The peer of most benchmarks: aiohttp and the API server, with nothing in between."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes.client import Configuration
from kubernetes.config import load_kube_config

from tests.live_server import TOKEN

Json = dict[str, Any]
# As our server does: with strict validation.
STRICT = {"fieldManager": "bench", "fieldValidation": "Strict"}


@asynccontextmanager
async def cluster(kubeconfig: Path, connections: int = 100) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session whose paths are those of the API server."""
    configuration = Configuration()
    load_kube_config(str(kubeconfig), None, configuration)  # type: ignore[no-untyped-call]
    tls = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    # The name of the token changed in version 36 of the package.
    find = configuration.get_api_key_with_prefix
    headers = {"Authorization": find("BearerToken") or find("authorization") or "", "Accept-Encoding": "identity"}
    connector = aiohttp.TCPConnector(limit=connections, ssl=tls)
    async with _session(str(configuration.host), headers, connector) as session:
        yield session


@asynccontextmanager
async def ours(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session with a server of ours, ``url`` as it names it: paths begin at its host."""
    async with _session(url.partition("/api/")[0], {"Authorization": f"token {TOKEN}"}, None) as session:
        yield session


def _session(base: str, headers: dict[str, str], connector: aiohttp.TCPConnector | None) -> aiohttp.ClientSession:
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
    return aiohttp.ClientSession(
        base, headers=headers, connector=connector, timeout=timeout, read_bufsize=1 << 20, trust_env=False
    )


async def call(session: aiohttp.ClientSession, method: str, path: str, **options: Any) -> Json:
    """Send a request and return the JSON of the answer."""
    async with session.request(method, path, **options) as answer:
        body = await answer.read()
        assert answer.ok, f"{method} {path}: {answer.status} {body[:500]!r}"
        found: Json = json.loads(body)
        return found
