"""A replica begins as a program of its own: nothing of the shim is left in it."""

from __future__ import annotations

import re
import sys

import psutil
import pytest

from submarine_jupyter_server.targets.local.shim.processes.tree import read
from tests.targets.local.shim.attempt import Attempt, ignored_for_good, item, lives

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_signals_are_as_a_program_expects_them(attempt: Attempt) -> None:
    """What its parent ignores would stay ignored over exec(3)."""
    attempt.start(item("worker-0", ["cat", "/proc/self/status"]))
    attempt.end()
    masks = dict(re.findall(r"(Sig(?:Blk|Ign|Cgt)):\t([0-9a-f]+)", attempt.log()))
    found = {name: int(mask, 16) for name, mask in masks.items()}
    found["SigIgn"] &= ~sum(1 << (number - 1) for number in ignored_for_good())
    assert found == {"SigBlk": 0, "SigIgn": 0, "SigCgt": 0}


def test_no_descriptor_of_the_shim(attempt: Attempt) -> None:
    attempt.start(item("worker-0", ["ls", "/proc/self/fd"]))
    attempt.end()
    assert attempt.log().split() == ["0", "1", "2", "3"]  # the last is the folder that ls reads


def test_it_leads_a_session_and_dies_with_the_shim(attempt: Attempt) -> None:
    attempt.start(
        item("worker-0", "read -r _ _ _ _ group session _ < /proc/$$/stat; echo $(( $$ == session )); exec sleep 600")
    )
    attempt.until(lambda: attempt.log() == "1\n")
    attempt.until(lambda: attempt.replica()["pid"])
    pid = attempt.replica()["pid"]
    assert attempt.shim is not None
    attempt.shim.kill()
    attempt.shim.wait()
    attempt.until(lambda: not lives(pid))


@pytest.mark.parametrize("count", [4, 7, 8, 11, 16, 22, 27, 34, 60])
def test_descriptors_that_run_out_at_any_moment(attempt: Attempt, count: int) -> None:
    """All run and lose nothing, or there is a reason, and nothing is left."""
    limited = ("sh", "-c", f'ulimit -n {count}; exec "$0" "$@"')
    command = "setsid -f sleep 600 >&- 2>&-; echo line; sleep 0.2"
    items = [item(f"worker-{index}", command) for index in range(6)]
    for one in items:
        one["env"]["MARK"] = str(attempt.path)
    attempt.start(*items, words=limited, grace_s=0.2)
    assert attempt.shim is not None
    attempt.shim.wait(40)
    if not (attempt.path / "started").exists():
        assert "Too many open files" in attempt.complaints()
        return
    end = attempt.end()
    if end["status"] == "Succeeded":
        assert {attempt.log(f"worker-{index}") for index in range(6)} == {"line\n"}
        assert len(end["notes"]) == 6
    else:
        assert (end["reason"], "Too many open files" in end["message"]) == ("CannotStart", True)
    marks = [read(f"/proc/{pid}/environ") for pid in psutil.pids()]
    assert not any(f"MARK={attempt.path}".encode() in mark for mark in marks)


def test_many_replicas_need_many_descriptors(attempt: Attempt) -> None:
    """The shim takes what the system gives; a replica has the limit that it would have without it."""
    limited = ("sh", "-c", 'ulimit -S -n 40; exec "$0" "$@"')
    attempt.start(*(item(f"worker-{index}", "ulimit -S -n") for index in range(30)), words=limited)
    assert attempt.end()["status"] == "Succeeded"
    assert {attempt.log(f"worker-{index}") for index in range(30)} == {"40\n"}
