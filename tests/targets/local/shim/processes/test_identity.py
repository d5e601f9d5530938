"""Tell processes apart."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from submarine_jupyter_server.targets.local.shim.processes import identity


def test_this_process() -> None:
    here = identity.here(os.getpid())
    assert here["pid"] == os.getpid()
    assert here["hostname"] == os.uname().nodename
    if sys.platform == "linux":
        assert len(str(here["boot_id"])) == 36
        assert here["pid_namespace"] == Path("/proc/self/ns/pid").stat().st_ino
        started = psutil.boot_time() + float(str(here["ticks"])) / os.sysconf("SC_CLK_TCK")
        assert abs(started - psutil.Process().create_time()) < 2


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_program_may_have_any_name(tmp_path: Path) -> None:
    sleep = shutil.which("sleep")
    assert sleep is not None
    odd = tmp_path / "a) R 1 (b"
    shutil.copy(sleep, odd)
    with subprocess.Popen([str(odd), "600"]) as process:
        ticks = identity.start_ticks(process.pid)
        process.kill()
    assert ticks is not None
    assert ticks >= (identity.start_ticks(os.getpid()) or 0)


def test_nobody_has_no_start() -> None:
    assert identity.start_ticks(2**22 + 1) is None
