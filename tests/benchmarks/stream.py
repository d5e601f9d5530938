"""The WebSocket of a tab: a change until it is there, a snapshot of 10,000 rows, processor time per MB of log."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from tests.benchmarks.listing import body, fill
from tests.benchmarks.probed import ProbedServer, loop_row, probed_server
from tests.benchmarks.table import Row, percentile
from tests.live_server import TOKEN

EXPERIMENTS = 10_000
CHANGES, PAUSE_S = 200, 0.02
LOG_MB = 64
CREDIT = 4 * 1024 * 1024


def run() -> list[Row]:
    """Measure one server; the peers are the same rows by REST and the same log by server-sent events."""
    with probed_server() as server:
        made = server.result("POST", json=body())["experimentId"]
        server.ended(made)
        fill(server.data / "submarine.db", EXPERIMENTS, params=3, metrics=2)
        log = _logged(server)
        return asyncio.run(_measured(server, made, log))


async def _measured(server: ProbedServer, made: str, log: str) -> list[Row]:
    server.loop()
    socket = await _open(server)
    cold, _, _ = await _snapshot(socket)
    socket.close()
    socket = await _open(server)
    server.loop()
    took, size, wire = await _snapshot(socket)
    snapshot = server.loop()
    pages = _timed(lambda: _pages(server))
    server.loop()
    waits = await _changes(server, socket, made)
    changing = server.loop()
    socket.close()
    streamed, sent = await _log_by_socket(server, log), _log_by_events(server, log)
    changed, peer = f"{statistics.median(waits):.1f} / {percentile(waits, 0.95):.0f} ms", f"{streamed / sent:.2f} x"
    return [
        Row(
            f"snapshot of {EXPERIMENTS:,} rows, 5 values each",
            f"{took * 1000:.0f} ms",
            "150 ms",
            f"{took / pages:.2f} x REST pages",
        ),
        Row("  as it is sent, and uncompressed", f"{wire / 1e6:.2f} / {size / 1e6:.2f} MB", "0.3 MB"),
        Row(
            "  the first after the server has started", f"{cold * 1000:.0f} ms", "", f"{cold / pages:.2f} x REST pages"
        ),
        loop_row(snapshot, "snapshot"),
        Row("answer to PATCH -> row at the client, 50/s: p50 / p95", changed, "10 ms"),
        loop_row(changing, "changes"),
        Row("log over WebSocket, processor time per MB", f"{streamed:.1f} ms", "6 ms", f"{peer} SSE ({sent:.1f} ms)"),
    ]


def _logged(server: ProbedServer) -> str:
    """Return an experiment that has written a log of ``LOG_MB``."""
    # Without numbers by name: else most of the time would go into reading millions of metrics.
    line = "18:%02d:%02d shard %d of the training set is read by worker %d, and %d images of it were skipped\\n"
    numbers = "i/60%60, i%60, i, rand()*64, rand()*1000"
    cmd = f"awk 'BEGIN {{ while (1) {{ i++; printf \"{line}\", {numbers} }} }}' | head -c {LOG_MB * 1_000_000}"
    meta = {"name": "log", "framework": "Standalone", "cmd": cmd}
    made = server.result("POST", json={"meta": meta, "spec": {"Worker": {"resources": "cpu=500m"}}})["experimentId"]
    server.ended(made, 120)
    # Its metrics are searched for until the end: that is not what is measured.
    while "incomplete" in server.http.get(f"{server.url}/{made}/metrics").json()["attributes"]:
        time.sleep(0.2)
    return str(made)


async def _open(server: ProbedServer) -> WebSocketClientConnection:
    url = f"{server.url}/stream".replace("http", "ws", 1)
    request = HTTPRequest(url, headers={"Authorization": f"token {TOKEN}"})
    return await websocket_connect(request, compression_options={}, max_message_size=2**26)


async def _snapshot(socket: WebSocketClientConnection) -> tuple[float, int, int]:
    """Return the seconds it took, its characters and its bytes on the wire."""
    begin, size, rows = time.perf_counter(), 0, 0
    await socket.write_message(json.dumps({"op": "rows", "ch": 1}))
    while True:
        message = await socket.read_message()
        assert isinstance(message, str)
        size += len(message)
        rows += message.count('"experimentId"')
        if '"cursor"' in message[-60:]:
            assert rows > EXPERIMENTS
            return time.perf_counter() - begin, size, socket.protocol._wire_bytes_in  # type: ignore[union-attr]


def _pages(server: ProbedServer) -> None:
    query: dict[str, Any] = {"view": "row"}
    while True:
        answer = server.http.get(server.url, params=query).json()
        if (cursor := answer["attributes"].get("nextCursor")) is None:
            return
        query["cursor"] = cursor


async def _changes(server: ProbedServer, socket: WebSocketClientConnection, made: str) -> list[float]:
    """Return how long after the answer to a change its row came (ms); 0 where it came before."""
    arrived: dict[str, float] = {}

    async def read() -> None:
        while len(arrived) < CHANGES:
            message = await socket.read_message()
            assert isinstance(message, str)
            now = time.perf_counter()
            for row in json.loads(message)["rows"]:
                if row["experimentId"] == made and "note" in row:
                    arrived.setdefault(row["note"], now)

    reader, answered = asyncio.create_task(read()), {}
    async with httpx.AsyncClient(headers=server.http.headers, trust_env=False) as http:
        for number in range(CHANGES):
            await http.patch(f"{server.url}/{made}/notes", json={"note": f"note {number}"})
            answered[f"note {number}"] = time.perf_counter()
            # The newest row counts: what is overtaken by the next change is never sent.
            while f"note {number}" not in arrived:
                await asyncio.sleep(0.001)
            await asyncio.sleep(PAUSE_S)
    await reader
    return [max(arrived[note] - at, 0) * 1000 for note, at in answered.items()]


async def _log_by_socket(server: ProbedServer, log: str) -> float:
    """Return the processor time per MB (ms) of the server."""
    socket = await _open(server)
    before, got = _cpu(server), 0
    ask = {"op": "log", "ch": 2, "experimentId": log, "replica": "worker-0", "offset": 0, "credit": CREDIT}
    await socket.write_message(json.dumps(ask))
    while isinstance(message := await socket.read_message(), bytes):
        got += len(message) - 12
        await socket.write_message(json.dumps({"op": "credit", "ch": 2, "bytes": len(message) - 12}))
    assert got == LOG_MB * 1_000_000
    socket.close()
    return (_cpu(server) - before) * 1000 / LOG_MB


def _log_by_events(server: ProbedServer, log: str) -> float:
    before = _cpu(server)
    with server.http.stream("GET", f"{server.url}/logs/{log}", params={"follow": "true"}) as answer:
        for _ in answer.iter_raw():
            pass
    return (_cpu(server) - before) * 1000 / LOG_MB


def _timed(function: Callable[[], object]) -> float:
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def _cpu(server: ProbedServer) -> float:
    fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
