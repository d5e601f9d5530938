"""A Jupyter Server extension, only for benchmarks: how long the event loop is held, and the memory in use."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado.web import authenticated

TICK_S = 0.002
_late: list[float] = []


class ProbeHandler(APIHandler):
    """What happened since the last look."""

    @authenticated
    def get(self) -> None:
        """Return how late each tick of 2 ms came (ms), and the resident memory (bytes)."""
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        self.finish(json.dumps({"late": _late, "rss": pages * 4096}))
        _late.clear()


async def _tick() -> None:
    while True:
        due = time.perf_counter() + TICK_S
        await asyncio.sleep(TICK_S)
        _late.append((time.perf_counter() - due) * 1000)


def _load_jupyter_server_extension(server: Any) -> None:
    server.web_app.add_handlers(".*$", [(url_path_join(server.base_url, "probe"), ProbeHandler)])
    server.io_loop.add_callback(lambda: setattr(server, "_probe", asyncio.ensure_future(_tick())))


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "tests.benchmarks.loop_probe"}]
