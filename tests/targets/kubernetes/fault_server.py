"""An HTTP server on 127.0.0.1 that misbehaves as told: each request is answered by a small script.

```python
async with FaultServer() as server:
    server.on("GET", "/version", answer({"gitVersion": "v1.36.0"}))          # from now on
    server.once("GET", PODS, error(410, "Expired"))                          # the next one only, in this order
    server.once("GET", PODS, stream({"type": "ADDED", "object": pod}, b'{"type": "MOD', end=cut))
    server.once("GET", PODS, stream(EXPIRED))                                # 410 inside 200, then a clean end
    server.on("GET", PODS, stream({"type": "BOOKMARK", "object": mark}, end=stall))
    server.on("POST", "/apis/batch/v1/namespaces/ns/jobs", executed_but(cut, create))
    server.on("*", "/api/v1/nodes*", guarded("Bearer new", answer({"items": []})))
    cluster = await Cluster.connect(kubeconfig=server.kubeconfig(tmp_path, token="secret"))
    ...
    await server.until(lambda: len(server.to(PODS)) >= 3)
    first, second = server.to(PODS)[:2]
    assert second.query["resourceVersion"] == "7" and second.at - first.at > 0.1
```

A script is any ``async def script(exchange: Exchange) -> None``; what it returns from without an end of its own ends
cleanly. Paths may end with ``*``. A request nothing is scripted for gets 404 in plain text, as for an unknown API
group. Only the standard library is used: it also runs beside older versions of other packages.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

PATIENCE_S = 30.0
EXPIRED = {"type": "ERROR", "object": {"kind": "Status", "status": "Failure", "reason": "Expired", "code": 410}}


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came; ``at`` is `time.monotonic()`, the names of headers are lower case."""

    at: float
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


@dataclass(slots=True)
class Exchange:
    """A request and the way to answer it."""

    request: Request
    server: FaultServer
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    begun: bool = field(default=False)
    done: bool = field(default=False)

    async def answer(self, status: int, body: bytes, **headers: str) -> None:
        """Send a whole answer; an underscore in a header's name is a dash."""
        self._head(status, {"Content-Length": str(len(body)), **headers})
        self.writer.write(body)
        await self.writer.drain()
        self.done = True

    async def send(self, chunk: bytes) -> None:
        """Send a piece of an answer without a known length; the first one sends ``200 OK`` before."""
        if not self.begun:
            self._head(200, {"Transfer-Encoding": "chunked", "Content_Type": "application/json"})
        if chunk:
            self.writer.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        await self.writer.drain()

    async def finish(self) -> None:
        """End a chunked answer as it should be."""
        if not self.begun:
            await self.send(b"")
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()
        self.done = True

    def cut(self) -> None:
        """Break the connection now."""
        self.done = True
        self.writer.transport.abort()

    async def gone(self) -> None:
        """Return when the client has gone away; nothing is sent meanwhile."""
        self.done = True
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65536):
                pass
        self.writer.transport.abort()

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        self.begun = True
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        self.writer.write(f"HTTP/1.1 {status} Told\r\n{lines}\r\n".encode())


Script = Callable[[Exchange], Awaitable[None]]


class FaultServer:
    """Answers by its scripts and remembers every request."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self._tls = tls
        self._always: list[tuple[str, str, Script]] = []
        self._once: list[tuple[str, str, Script]] = []
        self._news = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self._tls, limit=1 << 20)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.url = f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.drop()
        while self._tasks:
            tasks = set(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._tasks -= tasks

    def on(self, method: str, path: str, script: Script) -> None:
        """Answer so from now on; the newest script counts, the method may be ``*``."""
        self._always.insert(0, (method, path, script))

    def once(self, method: str, path: str, *scripts: Script) -> None:
        """Answer the next such requests so, one each, before whatever `on` says."""
        self._once.extend((method, path, script) for script in scripts)

    def to(self, path: str, method: str = "*") -> list[Request]:
        """Return the requests to a path, oldest first."""
        return [one for one in self.requests if _fits(method, path, one)]

    async def until(self, holds: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
        """Wait until something holds, which is looked at after each request and 50 times a second."""
        async with asyncio.timeout(seconds):
            while not holds():
                self._news.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), 0.02)

    def drop(self) -> None:
        """Break every connection there is; new ones are welcome."""
        for writer in self._writers:
            writer.transport.abort()

    def kubeconfig(
        self, folder: Path, *, token: str = "", user: Mapping[str, object] | None = None, **cluster: object
    ) -> str:
        """Write a kubeconfig that leads here, namespace ``ns``; ``cluster`` are more fields, dashes as underscores."""
        path = folder / f"kubeconfig-{self.port}"
        fields = {name.replace("_", "-"): value for name, value in cluster.items()}
        config = {
            "clusters": [{"name": "c", "cluster": {"server": self.url, **fields}}],
            "users": [{"name": "u", "user": {**({"token": token} if token else {}), **(user or {})}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "ns"}}],
            "current-context": "x",
        }
        path.write_text(json.dumps(config))  # JSON is YAML
        return str(path)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        self.connections += 1
        number = self.connections
        try:
            while (request := await _read(reader, number)) is not None:
                self.requests.append(request)
                self._news.set()
                exchange = Exchange(request, self, reader, writer)
                await self._script(request)(exchange)
                if not exchange.done:
                    await exchange.finish()
                if writer.is_closing():
                    break
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
            pass  # a client may go at any time, and the server with the test
        finally:
            writer.transport.abort()
            self._writers.discard(writer)
            self._tasks.discard(task)

    def _script(self, request: Request) -> Script:
        for number, (method, path, script) in enumerate(self._once):
            if _fits(method, path, request):
                del self._once[number]
                return script
        for method, path, script in self._always:
            if _fits(method, path, request):
                return script
        return plain(404)


def answer(body: object, status: int = 200, **headers: str) -> Script:
    """Return a script that answers with JSON."""
    data = json.dumps(body).encode()

    async def script(exchange: Exchange) -> None:
        await exchange.answer(status, data, **{"Content_Type": "application/json", **headers})

    return script


def raw(data: bytes, status: int = 200, **headers: str) -> Script:
    """Return a script that answers with these bytes."""

    async def script(exchange: Exchange) -> None:
        await exchange.answer(status, data, **headers)

    return script


def error(status: int, reason: str, message: str = "", retry_after: float | str | None = None) -> Script:
    """Return a script that answers with a Kubernetes ``Status``."""
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status}
    headers = {} if retry_after is None else {"Retry_After": str(retry_after)}
    return answer({**body, "reason": reason, "message": message or reason}, status, **headers)


def plain(status: int, text: str = "404 page not found\n") -> Script:
    """Return a script that answers with text, as for an API group the server does not have."""
    return raw(text.encode(), status, Content_Type="text/plain; charset=utf-8")


def stream(*parts: object, end: Script | None = None, pause: float = 0.0) -> Script:
    """Return a script that sends parts and then does ``end`` (`cut`, `stall`; None: a clean end).

    Bytes are sent as they are, a number is a pause in seconds, anything else is one line of JSON.
    """

    async def script(exchange: Exchange) -> None:
        await exchange.send(b"")
        for part in parts:
            if isinstance(part, int | float):
                await asyncio.sleep(part)
            else:
                await exchange.send(part if isinstance(part, bytes) else json.dumps(part).encode() + b"\n")
                await asyncio.sleep(pause)
        if end is not None:
            await end(exchange)

    return script


async def cut(exchange: Exchange) -> None:
    """Break the connection: before any answer, or after what was sent."""
    await asyncio.sleep(0)
    exchange.cut()


async def stall(exchange: Exchange) -> None:
    """Say nothing more, and keep the connection open: a black hole when it is the whole script."""
    await exchange.gone()


black_hole = stall


def executed_but(fault: Script, execute: Callable[[Request], object]) -> Script:
    """Return a script that does what was asked for (``execute``), and then this instead of the answer."""

    async def script(exchange: Exchange) -> None:
        execute(exchange.request)
        await fault(exchange)

    return script


def guarded(authorization: str | Callable[[], str], script: Script) -> Script:
    """Return a script that answers 401 unless the header ``Authorization`` is exactly this."""

    async def guard(exchange: Exchange) -> None:
        wanted = authorization if isinstance(authorization, str) else authorization()
        given = exchange.request.headers.get("authorization")
        await (script if given == wanted else error(401, "Unauthorized"))(exchange)

    return guard


def _fits(method: str, path: str, request: Request) -> bool:
    if method not in ("*", request.method):
        return False
    return request.path.startswith(path[:-1]) if path.endswith("*") else request.path == path


async def _read(reader: asyncio.StreamReader, connection: int) -> Request | None:
    """Read one request; None when the client has gone."""
    line = (await reader.readline()).decode("latin-1").split()
    if len(line) != 3:
        return None
    headers: dict[str, str] = {}
    while (header := (await reader.readline()).decode("latin-1").strip()) != "":
        name, _, value = header.partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    url = urlsplit(line[1])
    query = dict(parse_qsl(url.query, keep_blank_values=True))
    return Request(time.monotonic(), line[0], unquote(url.path), query, headers, body, connection)
