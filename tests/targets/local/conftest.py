"""Fixtures of the local target's tests."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.targets.local.bench import Bench


@pytest.fixture
def bench(tmp_path: Path, jp_asyncio_loop: asyncio.AbstractEventLoop) -> Iterator[Bench]:
    """A data directory of its own; nothing that was started on it outlives the test."""
    bench = Bench(tmp_path / "data")
    bench.data_dir.mkdir()
    yield bench
    jp_asyncio_loop.run_until_complete(bench.close())
    for process in psutil.process_iter(["cmdline", "environ"]):
        words = [*(process.info["cmdline"] or []), *(process.info["environ"] or {}).values()]
        if any(str(bench.data_dir) in word for word in words):
            process.kill()
