from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live_server import LiveServer, processes_of


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    made = LiveServer(tmp_path)
    yield made
    made.kill()
    made.http.close()
    for pid in processes_of("experiment-"):
        environ = Path(f"/proc/{pid}/environ").read_bytes()
        if str(tmp_path).encode() in environ:
            os.kill(pid, 9)
