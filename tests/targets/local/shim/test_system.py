"""What a system lacks is said on each experiment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from submarine_jupyter_server.targets.local.shim.system import lacks
from tests.targets.local.shim.attempt import Attempt, item

linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux has all of it")


@linux
def test_linux_lacks_nothing(attempt: Attempt) -> None:
    attempt.start(item("worker-0", "true"))
    assert attempt.end()["notes"] == []


@linux
def test_without_proc(attempt: Attempt) -> None:
    """As in some sandboxes: it works, and says what does not."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("only root can hide /proc")
    hidden = ("unshare", "-m", "sh", "-c", 'mount -t tmpfs none /proc && exec "$0" "$@"')
    if subprocess.run([*hidden, "true"], capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    attempt.start(item("worker-0", "echo hello; exit 3", memory_bytes=2**20, memory="1Mi"), words=hidden)
    end = attempt.end()
    assert (end["reason"], end["replicas"][0]["exit_code"], attempt.log()) == ("ReplicaFailed", 3, "hello\n")
    assert [note.split(" (")[0] for note in end["notes"]] == [
        "local: this system does not report which processes a process has started",
        "local: memory is not watched on this system",
    ]
    assert attempt.complaints() == ""


@linux
def test_without_a_reaper_of_orphans() -> None:
    with subprocess.Popen(["true"]) as child:
        assert lacks(subreaper=True, child=child.pid) == []
        [note] = lacks(subreaper=False, child=child.pid)
    assert "daemon" in note
