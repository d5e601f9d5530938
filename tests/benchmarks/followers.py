"""200 followers of one log, 100 of them stalled."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack
from urllib.parse import urlsplit

from tests.benchmarks.probed import ProbedServer, loop_row, probed_server
from tests.benchmarks.table import Row
from tests.live_server import TOKEN

READING = 100
STALLED = 100
LINES = 20_000
WRITER = (
    "import time; [(print('step', i, 'x' * 180, flush=i % 200 == 0), i % 200 or time.sleep(0.05)) for i in range({n})]"
)


def run() -> list[Row]:
    """Measure the server while one replica writes 4 MB in 5 s."""
    with probed_server() as server, ExitStack() as sockets:
        meta = {"name": "follow", "framework": "Standalone", "cmd": f'python -c "{WRITER.format(n=LINES)}"'}
        # What holds the writer back until all are there is a file.
        gate = server.folder / "gate"
        meta["cmd"] = f"sh -c 'while [ ! -e {gate} ]; do sleep 0.05; done'; {meta['cmd']}"
        body = {"meta": meta, "spec": {"Worker": {"resources": "cpu=500m"}}}
        made = server.result("POST", json=body)["experimentId"]
        for _ in range(STALLED):
            sockets.enter_context(_follow(server, made))
        readers = [_Reader(sockets.enter_context(_follow(server, made))) for _ in range(READING)]
        time.sleep(2)
        before = server.loop()
        gate.touch()
        begin = time.monotonic()
        for reader in readers:
            reader.join(120)
        took = time.monotonic() - begin
        after = server.loop()
    complete = sum(reader.complete for reader in readers)
    grown = (after.rss - before.rss) / 1e6
    received = sum(reader.received for reader in readers) / 1e6
    return [
        Row("readers that got everything", f"{complete} of {READING}", f"{READING}"),
        Row("delivered", f"{received:.0f} MB in {took:.1f} s"),
        Row("memory growth", f"{grown:.1f} MB", "64 MB"),
        loop_row(after, "following"),
    ]


class _Reader(threading.Thread):
    def __init__(self, connection: socket.socket) -> None:
        super().__init__(daemon=True)
        self._connection = connection
        self.received = 0
        self.complete = False
        self.start()

    def run(self) -> None:
        rest = b""
        while chunk := self._connection.recv(65536):
            self.received += len(chunk)
            rest = (rest + chunk)[-4096:]
            if b"event: end" in rest and b'"complete"' in rest:
                self.complete = f"step {LINES - 1} ".encode() in rest or self.received > LINES * 180
                return


def _follow(server: ProbedServer, experiment_id: str) -> socket.socket:
    address = urlsplit(server.url)
    connection = socket.create_connection((address.hostname or "", address.port or 0), timeout=120)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    head = f"GET {address.path}/logs/{experiment_id}?follow=true HTTP/1.1\r\nHost: {address.netloc}\r\n"
    connection.sendall(f"{head}Authorization: token {TOKEN}\r\n\r\n".encode())
    return connection
