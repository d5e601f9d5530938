"""Requests to one API server over aiohttp: calls and streams, each with connections of their own."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Any

import aiohttp
from yarl import URL

from submarine_jupyter import __version__
from submarine_jupyter_server.targets.kubernetes.raw_json import Json

from .credentials import Credentials, Keeper
from .errors import ApiError, BadCredentials, Unreachable

CONNECT_S = 5.0
CALLS = 32  # connections for calls
MAX_ANSWER = 64 * 1024**2
_MAX_ERROR = 1024**2
# Nothing is compressed: unpacking would block the event loop, and could grow without limit.
_HEADERS = {"User-Agent": f"submarine-jupyter/{__version__}", "Accept-Encoding": "identity"}
# Each line of a log is a TLS record of its own: where they come one on the heels of the other, to take them one by one
# would cost twice the processor time.
_DENSE_S, _GATHER_S, _MANY_BYTES = 0.005, 0.05, 192 * 1024
# A dead connection is noticed within 40 s.
_PROBES = {"TCP_KEEPIDLE": 20, "TCP_KEEPALIVE": 20, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4}


class Transport:
    """Calls have 32 connections, streams as many as they like: they never wait for each other."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._calls = _session(CALLS)
        self._streams = _session(0)

    async def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Json | list[Any] | None = None,
        content_type: str = "application/json",
        timeout_s: float = 30.0,
    ) -> Json:
        """Send ``body`` as JSON and return the JSON of the answer.

        1 MiB of it stops the event loop for 40 ms: ask for lists in pages. A GET, PUT or DELETE is sent a second time
        when the connection turned out to be closed: a DELETE may then answer 404 for what it deleted.
        """
        data = None if body is None else json.dumps(body).encode()
        answer = await self._whole(
            path, params, timeout_s, method=method, data=data, content_type=content_type if data else None
        )
        try:
            found = json.loads(answer)  # a thread would stop the event loop as long: the parser holds the GIL
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise Unreachable(f"{method} {path}: the answer is not a JSON object; check for a proxy in between")
        return found

    async def text(self, path: str, *, params: Mapping[str, str] | None = None, timeout_s: float = 30.0) -> bytes:
        """Return the bytes of an answer that is no JSON, as a log."""
        return await self._whole(path, params, timeout_s)

    @asynccontextmanager
    async def stream(
        self, path: str, *, params: Mapping[str, str], idle_s: float
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open an answer without an end; its chunks come as they arrive, cut anywhere.

        Raises Unreachable also when nothing came for ``idle_s`` seconds. The iteration ends when the server ends it.
        """
        timeout = aiohttp.ClientTimeout(total=None, connect=2 * CONNECT_S, sock_connect=CONNECT_S, sock_read=idle_s)
        async with self._answer(self._streams, path, params, timeout) as answer:
            _keep_alive(answer)
            async with aclosing(self._chunks(answer)) as chunks:
                yield chunks

    async def close(self) -> None:
        """Close all connections."""
        await self._calls.close()
        await self._streams.close()

    async def _chunks(self, answer: aiohttp.ClientResponse) -> AsyncGenerator[bytes]:
        free_at = -_DENSE_S
        with self._faults():
            async for chunk in answer.content.iter_any():
                dense = time.monotonic() - free_at < _DENSE_S and len(chunk) < _MANY_BYTES
                yield chunk
                if dense:
                    await _gather(answer)
                free_at = time.monotonic()

    async def _whole(self, path: str, params: Mapping[str, str] | None, timeout_s: float, **request: Any) -> bytes:
        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_S)
        async with self._answer(self._calls, path, params, timeout, **request) as answer:
            with self._faults():
                body = await _read(answer, MAX_ANSWER)
            if body is None:
                raise ApiError(answer.status, "AnswerTooLarge", f"{path}: more than {MAX_ANSWER >> 20} MiB")
            return body

    @asynccontextmanager
    async def _answer(
        self,
        session: aiohttp.ClientSession,
        path: str,
        params: Mapping[str, str] | None,
        timeout: aiohttp.ClientTimeout,
        method: str = "GET",
        **body: Any,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Open the answer to one request; after a 401 to a second one, if there are other credentials now."""
        request = {"method": method, "path": path, "params": params, "timeout": timeout, **body}
        credentials = await self._keeper.current()
        answer = await self._send(session, credentials, **request)
        if answer.status == 401:
            refusal = await self._error(answer)
            answer = await self._send(session, await self._other(credentials, refusal), **request)
        if not 200 <= answer.status < 300:
            raise await self._error(answer)
        try:
            yield answer
        finally:
            answer.close()

    async def _send(
        self,
        session: aiohttp.ClientSession,
        credentials: Credentials,
        *,
        path: str,
        content_type: str | None = None,
        **request: Any,
    ) -> aiohttp.ClientResponse:
        if session.closed:
            raise Unreachable("the connection to the cluster was closed")
        headers = [*credentials.headers, *([("Content-Type", content_type)] if content_type else [])]
        with self._faults():
            return await session.request(
                url=URL(credentials.server + path),
                headers=headers,
                ssl=credentials.tls or True,
                server_hostname=credentials.server_name if credentials.tls else None,
                proxy=credentials.proxy,
                allow_redirects=False,  # credentials go nowhere else
                **request,
            )

    async def _other(self, refused: Credentials, refusal: ApiError) -> Credentials:
        try:
            found = await self._keeper.renewed(refused)
        except BadCredentials as error:
            raise ApiError(401, refusal.reason, f"{refusal.message}; {error}", refusal.retry_after) from None
        if found is None:
            raise refusal
        return found

    async def _error(self, answer: aiohttp.ClientResponse) -> ApiError:
        try:
            with self._faults():
                body = await _read(answer, _MAX_ERROR)
        finally:
            answer.close()
        return ApiError.of(answer.status, body or b"", answer.headers.get("Retry-After"))

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Turn what aiohttp raises into Unreachable, without its details: they name proxies and their logins."""
        try:
            yield
        except TimeoutError:
            raise Unreachable("the API server did not answer in time") from None
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError):
                self._keeper.doubt()
            raise Unreachable(f"the API server cannot be reached: {_why(error)}") from None


def _session(limit: int) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=limit),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=_HEADERS,
        trust_env=False,  # nor ~/.netrc, which would send logins of its own
    )


async def _read(answer: aiohttp.ClientResponse, limit: int) -> bytes | None:
    """Return a body; None if it is longer than ``limit`` bytes."""
    if (answer.content_length or 0) > limit:
        return None
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > limit:
            return None
    return bytes(body)


async def _gather(answer: aiohttp.ClientResponse) -> None:
    """Let the system collect what comes in the next moment."""
    if (transport := _transport(answer)) is not None:
        transport.pause_reading()
        await asyncio.sleep(_GATHER_S)
        transport.resume_reading()


def _keep_alive(answer: aiohttp.ClientResponse) -> None:
    """Have the system probe a connection that may be silent for minutes, so that no router forgets it."""
    transport = _transport(answer)
    connection = transport.get_extra_info("socket") if transport else None
    if connection is None:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _PROBES.items():
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _transport(answer: aiohttp.ClientResponse) -> asyncio.Transport | None:
    """Return the connection an answer comes from, None once it has ended."""
    return answer.connection.transport if answer.connection else None


def _why(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        problem = error.certificate_error
        return f"its certificate is not trusted ({getattr(problem, 'verify_message', '') or type(problem).__name__})"
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy answered HTTP {error.status}"
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    if isinstance(cause, ssl.SSLError):
        return f"TLS failed ({cause.reason or 'no reason given'})"
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError):
        return "the connection broke"
    if isinstance(cause, OSError) and (cause.errno or 0) > 0:
        return os.strerror(cause.errno or 0)  # aiohttp and asyncio write their own text over it
    return getattr(cause, "strerror", None) or type(error).__name__
