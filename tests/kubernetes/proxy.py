"""A proxy of ours in front of the real API server that breaks what a test wants broken, and counts.

It runs in a thread of its own. ``rule`` decides about each request; a stream that is open already obeys ``frozen`` and
``cut_streams``. Tokens pass through, so the rights of a service account stay what they are.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web
from kubernetes.client import Configuration
from kubernetes.config import load_kube_config

_HOP = ("host", "connection", "transfer-encoding", "content-length", "accept-encoding", "keep-alive")


@dataclass(frozen=True, slots=True)
class Request:
    """What came: ``at`` is a monotonic time in seconds."""

    at: float
    method: str
    path: str
    query: dict[str, str]
    body: bytes = b""

    @property
    def watches(self) -> bool:
        """Tell whether it is a watch."""
        return "watch" in self.query


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the proxy's own instead of the server's; it comes after some seconds."""

    status: int
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    after_s: float = 0


@dataclass(frozen=True, slots=True)
class Late:
    """The server's own answer, to a request that is held back for some seconds."""

    seconds: float


BEFORE = "cut before it is executed"
AFTER = "cut after it was executed"
STALL = "never answer"
Rule = Callable[[Request], "Answer | Late | str | None"]


class Proxy:
    """Forwards to the API server of a kubeconfig; ``kubeconfig`` is one that leads through the proxy."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        configuration = Configuration()
        load_kube_config(str(kubeconfig), None, configuration)  # type: ignore[no-untyped-call]
        self._target = str(configuration.host)
        self._tls = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
        self.requests: list[Request] = []
        self.rule: Rule = lambda request: None
        self.frozen = False
        self._transports: set[asyncio.Transport] = set()
        self._started = threading.Event()
        # asyncio.run cancels what still waits for an answer when the proxy ends.
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True, name="proxy")
        self._thread.start()
        assert self._started.wait(20)
        content = yaml.safe_load(kubeconfig.read_text())
        content["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{self._port}"}
        self.kubeconfig = folder / "proxied.json"
        self.kubeconfig.write_text(json.dumps(content))

    def since(self, moment: float) -> list[Request]:
        """Return the requests that came after a monotonic time."""
        return [request for request in self.requests if request.at >= moment]

    def cut_streams(self) -> None:
        """Cut every stream that is open."""
        self._loop.call_soon_threadsafe(self._abort)

    def close(self) -> None:
        """End it."""
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(20)

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        connector = aiohttp.TCPConnector(limit=0, ssl=self._tls)
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as self._session:
            app = web.Application(client_max_size=64 << 20)
            app.router.add_route("*", "/{path:.*}", self._handle)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self._port = runner.addresses[0][1]
            self._started.set()
            await self._end.wait()
            self.frozen = False
            self._abort()
            await asyncio.sleep(0.1)
            await runner.cleanup()

    def _abort(self) -> None:
        for transport in list(self._transports):
            transport.abort()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        seen = Request(time.monotonic(), request.method, request.path, dict(request.query), body)
        self.requests.append(seen)
        decided = self.rule(seen)
        if isinstance(decided, Answer):
            await asyncio.sleep(decided.after_s)
            return web.Response(status=decided.status, text=decided.body, headers=decided.headers)
        if isinstance(decided, Late):
            await asyncio.sleep(decided.seconds)
        if decided == STALL:
            await self._end.wait()
        if decided in (BEFORE, STALL):
            return self._cut(request)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        url = f"{self._target}{request.path_qs}"
        try:
            async with self._session.request(request.method, url, headers=headers, data=body or None) as answer:
                if decided == AFTER:
                    await answer.read()
                    return self._cut(request)
                return await self._pass_on(request, answer, stream=seen.watches or "follow" in seen.query)
        except (aiohttp.ClientError, RuntimeError):  # of the one side, or of the other that a test has cut
            return self._cut(request)

    def _cut(self, request: web.Request) -> web.Response:
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    async def _pass_on(self, request: web.Request, answer: Any, *, stream: bool) -> web.StreamResponse:
        headers = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
        response = web.StreamResponse(status=answer.status, headers=headers)
        await response.prepare(request)
        transport = request.transport
        if stream and transport is not None:
            self._transports.add(transport)
        try:
            async for chunk in answer.content.iter_any():
                while self.frozen and stream:  # noqa: ASYNC110 - another thread decides
                    await asyncio.sleep(0.05)
                with suppress(ConnectionError):
                    await response.write(chunk)
            with suppress(ConnectionError):
                await response.write_eof()
        finally:
            if transport is not None:
                self._transports.discard(transport)
        return response
