"""A live server that tells how its event loop fares."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.table import Row, percentile
from tests.live_server import LiveServer

PROBE = '--ServerApp.jpserver_extensions={"tests.benchmarks.loop_probe": True}'


@dataclass(frozen=True)
class Loop:
    """How late the event loop was (ms), and the memory of the server (bytes)."""

    p99: float
    worst: float
    rss: int


class ProbedServer(LiveServer):
    """A live server with the probe."""

    def loop(self) -> Loop:
        """Return what was measured since the last call."""
        found = self.http.get(f"{self.url.removesuffix('api/v1/experiment')}probe").json()
        late = found["late"] or [0.0]
        return Loop(percentile(late, 0.99), max(late), found["rss"])


@contextmanager
def probed_server(*options: str) -> Iterator[ProbedServer]:
    """Start a server on an empty data directory; it ends, and its files go, with the block."""
    with tempfile.TemporaryDirectory(prefix="submarine-bench-") as folder:
        server = ProbedServer(Path(folder), PROBE, *options)
        server.start()
        assert server.wait_ready(), server.log()
        server.loop()
        try:
            yield server
        finally:
            server.kill()
            server.http.close()


def loop_row(loop: Loop, during: str) -> Row:
    """Return the row every server benchmark ends with."""
    return Row(f"event loop late, {during}: p99 / worst", f"{loop.p99:.1f} / {loop.worst:.1f} ms", "20 / 100 ms")
