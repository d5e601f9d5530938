"""A number is not a process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from submarine_jupyter.discovery.processes import alive, identity, listens

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells who listens")


def test_a_process_has_one_identity_until_it_ends() -> None:
    process = subprocess.Popen(["sleep", "600"])
    first = identity(process.pid)
    assert first is not None
    assert identity(process.pid) == first != identity(os.getpid())
    assert alive(process.pid)

    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert identity(process.pid) is None  # a zombie
    process.wait()
    assert identity(process.pid) is None
    assert not alive(process.pid)


@linux_only
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_who_listens(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        port = listener.getsockname()[1]
        assert listens(os.getpid(), port) is True
        assert listens(os.getppid(), port) is False
        with socket.create_connection((host, port)) as connection:
            assert listens(os.getpid(), connection.getsockname()[1]) is False
    assert listens(os.getpid(), port) is False
    assert listens(2**22 + 1, port) is None
