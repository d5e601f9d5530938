"""Memory is what the kernel cannot take back."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from submarine_jupyter_server.targets.local.shim.processes import memory, tree
from tests.targets.local.shim.attempt import Attempt, item

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is watched on Linux only")
MB = 10**6
LIMIT = {"memory_bytes": 128 * MB, "memory": "128M"}
MAPPED = (
    "import mmap; file = open({path!r}); data = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)\n"
    "sum(data[::4096]); {then}"
)
OWN = "data = bytearray(300 * 10**6)"
SHARED = "import mmap; data = mmap.mmap(-1, 300 * 10**6)\nfor at in range(0, len(data), 4096): data[at] = 1"
FORKS = """
import mmap, os, time
data, own = mmap.mmap(-1, 80 * 10**6), bytearray(20 * 10**6)
pids = []
for _ in range(3):
    pid = os.fork()
    if pid == 0:
        os.setsid()
        for at in range(0, len(data), 4096): data[at] = 1
        time.sleep(2)
        os._exit(0)
    pids.append(pid)
for pid in pids: os.waitpid(pid, 0)
"""
TWO_SECONDS = "import time; time.sleep(2)"
PRINT = "print('there', flush=True); import time; time.sleep(600)"


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A file of 300 MB that takes no room on the disk."""
    path = tmp_path / "large"
    with open(path, "wb") as file:
        file.truncate(300 * MB)
    return path


def python(program: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", program]


def test_a_mapped_file_is_no_memory(attempt: Attempt, large: Path) -> None:
    attempt.start(item("worker-0", python(MAPPED.format(path=str(large), then=TWO_SECONDS)), **LIMIT))
    assert attempt.end()["status"] == "Succeeded"


@pytest.mark.parametrize("program", [OWN, SHARED], ids=["own", "shared"])
def test_memory_that_has_to_stay_is_counted(attempt: Attempt, program: str) -> None:
    attempt.start(item("worker-0", python(f"{program}\nimport time; time.sleep(600)"), **LIMIT))
    end = attempt.end()
    assert end["reason"] == "OOMKilled"
    assert "of its 128M" in end["message"]


def test_what_forks_share_is_counted_once(attempt: Attempt) -> None:
    """Also by such as have sessions of their own."""
    attempt.start(item("worker-0", python(FORKS), **LIMIT))
    assert attempt.end()["status"] == "Succeeded"


@pytest.fixture
def mapping(large: Path) -> Iterator[int]:
    process = subprocess.Popen(python(MAPPED.format(path=str(large), then=PRINT)), stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    yield process.pid
    process.kill()
    process.wait()
    process.stdout.close()


def test_without_the_exact_figures_of_newer_kernels(mapping: int, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = memory.held([mapping], 1)
    assert 0 < exact < 100 * MB
    read = tree.read
    monkeypatch.setattr(memory, "read", lambda path: b"" if path.endswith("smaps_rollup") else read(path))
    assert exact // 2 < memory.held([mapping], 1) < 100 * MB
    assert memory.held([mapping], 10**9) > 300 * MB  # the cheap figure is good enough far below the limit


def test_who_is_gone_has_none() -> None:
    assert memory.held([2**22 + 1], 0) == 0
