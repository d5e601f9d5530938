"""Calls and streams against a server that misbehaves."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from submarine_jupyter_server.targets.kubernetes.api import transport
from submarine_jupyter_server.targets.kubernetes.api.cluster import ApiError, BadCredentials, Cluster, Unreachable
from tests.targets.kubernetes.certificates import Authority
from tests.targets.kubernetes.fault_server import (
    Exchange,
    FaultServer,
    Request,
    Script,
    answer,
    black_hole,
    cut,
    error,
    executed_but,
    plain,
    raw,
    stall,
    stream,
)

PATH = "/api/v1/namespaces/ns/pods"
SHORT_S = 0.3
LONG_S = 60.0


async def collect(cluster: Cluster, got: list[bytes], idle_s: float = LONG_S) -> bytes:
    """Append what a stream brings to ``got``; return all of it when it ends."""
    async with cluster.stream(PATH, params={"watch": "1"}, idle_s=idle_s) as chunks:
        async for chunk in chunks:
            got += [chunk]
    return b"".join(got)


async def connected(server: FaultServer, folder: Path, /, **cluster: Any) -> Cluster:
    return await Cluster.connect(kubeconfig=server.kubeconfig(folder, token="t0ken", **cluster))


async def test_a_call_carries_everything(tmp_path: Path) -> None:
    async with FaultServer() as server:
        server.on("PATCH", PATH, answer({"kind": "Pod"}, 201))
        async with await connected(server, tmp_path) as cluster:
            params = {"fieldValidation": "Strict", "labelSelector": "a in (b,c),d=e+f"}
            body = {"text": "ü\ud800"}
            assert await cluster.call(
                "PATCH", PATH, params=params, body=body, content_type="application/merge-patch+json"
            )
    (request,) = server.requests
    assert request.query == params
    assert request.json == body
    assert request.headers["content-type"] == "application/merge-patch+json"
    assert request.headers["authorization"] == "Bearer t0ken"
    assert request.headers["user-agent"].startswith("submarine-jupyter/")


@pytest.mark.parametrize(
    ("script", "status", "reason", "message", "retry_after"),
    [
        (error(409, "AlreadyExists", 'pods "a" already exists'), 409, "AlreadyExists", 'pods "a" already exists', None),
        (error(410, "Expired"), 410, "Expired", "Expired", None),
        (error(429, "TooManyRequests", retry_after=7), 429, "TooManyRequests", "TooManyRequests", 7.0),
        (error(503, "ServiceUnavailable", retry_after="soon"), 503, "ServiceUnavailable", "ServiceUnavailable", None),
        (answer({"kind": "Status", "details": {"retryAfterSeconds": 2}}, 504), 504, "", "", 2.0),
        (plain(404), 404, "", "404 page not found", None),
        (plain(502, "<html>" + "x" * 5000), 502, "", "<html>" + "x" * 494, None),
        (raw(b"\xff" * 5000, 500), 500, "", "\N{REPLACEMENT CHARACTER}" * 500, None),
        (raw(b"x" * (transport._MAX_ERROR + 1), 500), 500, "", "", None),
        (raw(b"", 302, Location="http://127.0.0.1:1/"), 302, "", "", None),
    ],
)
async def test_errors_of_the_server(
    script: Script, status: int, reason: str, message: str, retry_after: float | None, tmp_path: Path
) -> None:
    async with FaultServer() as server:
        server.on("GET", PATH, script)
        async with await connected(server, tmp_path) as cluster:
            for attempt in (cluster.call("GET", PATH), cluster.text(PATH), collect(cluster, [])):
                with pytest.raises(ApiError) as raised:
                    await attempt
                found = raised.value
                assert (found.status, found.reason, found.message, found.retry_after) == (
                    status,
                    reason,
                    message,
                    retry_after,
                )
            assert len(server.requests) == 3


async def test_an_answer_that_is_no_json(tmp_path: Path) -> None:
    async with FaultServer() as server:
        server.once("GET", PATH, raw(b"<html>log in</html>"), raw(b"[1]"), raw(b"[" * 100_000))
        async with await connected(server, tmp_path) as cluster:
            for _ in range(3):
                with pytest.raises(Unreachable, match="not a JSON object"):
                    await cluster.call("GET", PATH)


async def test_a_connection_that_was_closed_meanwhile(tmp_path: Path) -> None:
    """A GET goes over a new one; what changes something may have been executed, and is not repeated."""
    async with FaultServer() as server:
        server.on("*", PATH, answer({"works": True}))
        async with await connected(server, tmp_path) as cluster:
            await cluster.call("GET", PATH)
            server.once("GET", PATH, cut)
            assert await cluster.call("GET", PATH) == {"works": True}
            assert len(server.requests) == 3
            for method in ("POST", "PATCH"):
                server.once(method, PATH, cut)
                with pytest.raises(Unreachable, match="the connection broke"):
                    await cluster.call(method, PATH, body={})
                assert len(server.to(PATH, method)) == 1


async def test_an_answer_that_was_lost(tmp_path: Path) -> None:
    created: list[Request] = []
    async with FaultServer() as server:
        server.once("POST", PATH, executed_but(cut, created.append), executed_but(black_hole, created.append))
        async with await connected(server, tmp_path) as cluster:
            with pytest.raises(Unreachable):
                await cluster.call("POST", PATH, body={})
            with pytest.raises(Unreachable, match="in time"):
                await cluster.call("POST", PATH, body={}, timeout_s=SHORT_S)
            assert len(created) == 2


async def test_nothing_listens(tmp_path: Path) -> None:
    async with FaultServer() as server:
        cluster = await connected(server, tmp_path)
    async with cluster:
        with pytest.raises(Unreachable, match="refused"):
            await cluster.call("POST", PATH, body={})
        with pytest.raises(Unreachable, match="refused"):
            await collect(cluster, [])
    with pytest.raises(Unreachable, match="closed"):
        await cluster.call("GET", PATH)


async def test_an_answer_cut_short(tmp_path: Path) -> None:
    async def half(exchange: Exchange) -> None:
        exchange.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        await exchange.writer.drain()
        exchange.cut()

    async with FaultServer() as server:
        server.on("GET", PATH, half)
        async with await connected(server, tmp_path) as cluster:
            with pytest.raises(Unreachable):
                await cluster.text(PATH)


@pytest.mark.parametrize("known", [True, False])
async def test_an_answer_without_measure(known: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "MAX_ANSWER", 1 << 20)
    async with FaultServer() as server:
        piece = b"x" * (1 << 19)
        server.on("GET", PATH, raw(piece * 2 + b"x") if known else stream(*[piece] * 3))
        server.on("GET", "/fits", raw(piece * 2))
        async with await connected(server, tmp_path) as cluster:
            with pytest.raises(ApiError, match="AnswerTooLarge"):
                await cluster.text(PATH)
            assert len(await cluster.text("/fits")) == 1 << 20


async def test_a_stream_to_its_end(tmp_path: Path) -> None:
    async with FaultServer() as server:
        server.on("GET", PATH, stream({"n": 1}, 0.01, b'{"n"', 0.01, b": 2}\n"))
        async with await connected(server, tmp_path) as cluster:
            assert [json.loads(line) for line in (await collect(cluster, [])).splitlines()] == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize("encrypted", [False, True])
async def test_lines_on_the_heels_of_each_other_come_together(encrypted: bool, tmp_path: Path) -> None:
    """Each is a piece of its own on the wire; the last come in full also when the server ends or breaks off."""
    authority = Authority.make(tmp_path) if encrypted else None
    lines = [b"line %04d\n" % number for number in range(300)]
    async with FaultServer(authority.server() if authority else None) as server:
        server.once("GET", PATH, stream(*lines, pause=0.001), stream(*lines, pause=0.001, end=cut))
        trust = {"certificate_authority_data": authority.data("ca.pem")} if authority else {}
        async with await connected(server, tmp_path, **trust) as cluster:
            got: list[bytes] = []
            assert await collect(cluster, got) == b"".join(lines)
            assert len(got) < len(lines) / 4
            got.clear()
            with pytest.raises(Unreachable, match="broke"):
                await collect(cluster, got)
            assert b"".join(got) == b"".join(lines)


async def test_a_stream_that_breaks(tmp_path: Path) -> None:
    async with FaultServer() as server:
        server.once("GET", PATH, stream(b"first\n", 0.1, b"sec", end=cut), stream(b"first\n", end=stall), black_hole)
        async with await connected(server, tmp_path) as cluster:
            for idle_s, wrong in ((LONG_S, "the connection broke"), (SHORT_S, "in time")):
                got: list[bytes] = []
                with pytest.raises(Unreachable, match=wrong):
                    await collect(cluster, got, idle_s)
                assert b"".join(got).startswith(b"first\n")
            with pytest.raises(Unreachable, match="in time"):
                await collect(cluster, [], SHORT_S)


async def test_a_stream_that_is_left(tmp_path: Path) -> None:
    """Its connection is closed at once, and what its reader raises is left as it is."""
    left = asyncio.Event()

    async def endless(exchange: Exchange) -> None:
        await exchange.send(b"first\n")
        await exchange.gone()
        left.set()

    async def fail(cluster: Cluster) -> None:
        async with cluster.stream(PATH, params={}, idle_s=LONG_S) as chunks:
            assert await anext(chunks) == b"first\n"
            raise OSError("the disk is full")

    async with FaultServer() as server:
        server.on("GET", PATH, endless)
        async with await connected(server, tmp_path) as cluster:
            with pytest.raises(OSError, match="the disk is full"):
                await fail(cluster)
            await asyncio.wait_for(left.wait(), 30)


async def test_streams_never_keep_calls_waiting(tmp_path: Path) -> None:
    count = 150
    async with FaultServer() as server, AsyncExitStack() as stack:
        server.on("GET", PATH, stream(b"first\n", end=stall))
        server.on("GET", "/version", answer({}))
        async with await connected(server, tmp_path) as cluster:
            for _ in range(count):
                chunks = await stack.enter_async_context(cluster.stream(PATH, params={}, idle_s=LONG_S))
                assert await anext(chunks) == b"first\n"
            assert len(server.to(PATH)) == count
            await cluster.call("GET", "/version")


async def test_the_system_probes_idle_streams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[socket.socket] = []
    original = transport._keep_alive

    def keep(found: aiohttp.ClientResponse) -> None:
        original(found)
        assert found.connection is not None
        assert found.connection.transport is not None
        kept.append(found.connection.transport.get_extra_info("socket"))

    monkeypatch.setattr(transport, "_keep_alive", keep)
    async with FaultServer() as server:
        server.on("GET", PATH, stream(b"first\n", end=stall))
        async with (
            await connected(server, tmp_path) as cluster,
            cluster.stream(PATH, params={}, idle_s=LONG_S),
        ):
            assert kept[0].getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0


async def test_no_proxy_of_the_environment_for_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with FaultServer() as server:
        server.on("GET", "/version", answer({"works": True}))
        for no_proxy in ("127.0.0.1", ""):
            monkeypatch.setenv("NO_PROXY", no_proxy)
            async with await connected(server, tmp_path) as cluster:
                assert await cluster.call("GET", "/version")


async def test_the_proxy_of_the_kubeconfig(tmp_path: Path) -> None:
    async with FaultServer() as proxy, FaultServer() as server:
        proxy.on("GET", "/version", answer({"proxied": True}))
        address = proxy.url.replace("://", "://me:passw0rd@")
        async with await connected(server, tmp_path, proxy_url=address) as cluster:
            assert await cluster.call("GET", "/version") == {"proxied": True}
            assert server.requests == []
            expected = base64.b64encode(b"me:passw0rd").decode()
            assert proxy.requests[0].headers["proxy-authorization"] == f"Basic {expected}"


async def test_a_proxy_that_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with FaultServer() as proxy:
        proxy.on("CONNECT", "*", plain(407))
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("://", "://me:passw0rd@"))
        async with await connected(proxy, tmp_path, server="https://api.test") as cluster:
            with pytest.raises(Unreachable, match="the proxy answered HTTP 407") as raised:
                await cluster.call("GET", "/version")
            assert "passw0rd" not in repr(raised.value)


async def test_a_proxy_that_cannot_be_used(tmp_path: Path) -> None:
    async with FaultServer() as server:
        with pytest.raises(BadCredentials, match="socks5"):
            await connected(server, tmp_path, proxy_url="socks5://me:passw0rd@127.0.0.1:1")
