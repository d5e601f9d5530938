"""Look at processes, also at such as end meanwhile or belong to nobody."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from submarine_jupyter_server.targets.local.shim.processes import tree
from tests.targets.local.shim.attempt import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
NOBODY = 2**22 + 1  # above the largest pid there can be


def test_a_family() -> None:
    with subprocess.Popen(["sh", "-c", "sh -c 'sleep 600; true' & wait"], env={"MARK": "uid/1/worker-0"}) as child:
        try:
            until(lambda: len(tree.descendants(child.pid)) == 2, lambda: "two below it")
            below = tree.descendants(child.pid)
            assert tree.children(child.pid) == below[:1]
            assert below[1:] == tree.children(below[0])
            assert child.pid in tree.children(os.getpid())
            assert [tree.marker(pid, b"MARK=uid/1/") for pid in (child.pid, *below)] == ["worker-0"] * 3
            assert tree.marker(child.pid, b"MARK=other/") is None
            assert {tree.session(pid) for pid in (child.pid, *below)} == {os.getsid(0)}
            assert not tree.is_zombie(child.pid)
        finally:
            for pid in tree.descendants(child.pid):
                os.kill(pid, 9)
            child.kill()
        until(lambda: tree.is_zombie(child.pid), lambda: "it ended")


def test_nobody() -> None:
    assert (tree.children(NOBODY), tree.descendants(NOBODY), tree.read(f"/proc/{NOBODY}/stat")) == ([], [], b"")
    assert (tree.marker(NOBODY, b"A="), tree.session(NOBODY), tree.is_zombie(NOBODY)) == (None, 0, True)
