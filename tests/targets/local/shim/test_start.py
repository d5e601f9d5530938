"""The one shim of an attempt, and what it does when something is raised that nobody expected."""

from __future__ import annotations

import sys

import pytest

from tests.targets.local.shim.attempt import Attempt, item, lives

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells which processes are below one")


@linux
def test_an_unexpected_error_ends_all_and_is_the_reason(attempt: Attempt) -> None:
    daemon = "setsid -f sh -c 'trap \"\" TERM; sleep 600; true' >&- 2>&-; trap '' TERM; echo begun; sleep 600; true"
    before = (
        "import os, shim.supervisor as s; take = s.Census.take\n"
        f"def fail(self):\n    if not os.path.exists({str(attempt.path / 'now')!r}): return take(self)\n"
        "    raise ValueError('what is this? ' + chr(0xd800))\ns.Census.take = fail"
    )
    attempt.start(item("worker-0", daemon), item("worker-1", "exit 0"), before=before)
    attempt.until(lambda: attempt.log() == "begun\n" and len(attempt.state()["descendants"]) >= 4)
    processes = [pid for pid, _ in attempt.state()["descendants"]]
    (attempt.path / "now").touch()
    end = attempt.end()
    assert (end["status"], end["reason"]) == ("Failed", "SupervisorFailed")
    assert end["message"] == "its supervisor failed: ValueError: what is this? ?"
    first, second = end["replicas"]
    assert (first["status"], first["reason"], first["pid"]) == ("Failed", "SupervisorFailed", None)
    assert (second["status"], second["exit_code"]) == ("Succeeded", 0)
    assert not any(map(lives, processes))
    assert "Traceback" in attempt.complaints()
    assert (attempt.path / "logs/worker-0/ended").exists()


@pytest.mark.parametrize("failpoint", ["shim_started", "shim_running"])
def test_an_error_at_the_start_has_an_end(attempt: Attempt, failpoint: str) -> None:
    attempt.start(item("worker-0", "exec sleep 600"), failpoint=f"{failpoint}:error")
    end = attempt.end()
    assert (end["reason"], end["message"]) == (
        "SupervisorFailed",
        f"its supervisor failed: RuntimeError: failpoint {failpoint}",
    )
    assert end["finished_ms"] >= end["created_ms"]


def test_a_result_stands_when_the_supervisor_fails_after_it(attempt: Attempt) -> None:
    attempt.start(item("worker-0", "exit 0"), failpoint="shim_exit_before:error")
    assert attempt.shim is not None
    attempt.shim.wait(40)
    assert "failpoint shim_exit_before" in attempt.complaints()


def test_a_second_shim_leaves(attempt: Attempt) -> None:
    attempt.start(item("worker-0", "echo run; while ! test -e /proc/self/nothing; do sleep 0.1; done"))
    attempt.until(lambda: attempt.log() == "run\n")
    first = attempt.shim
    attempt.start()
    assert attempt.shim is not None
    assert attempt.shim.wait(40) == 0
    attempt.shim = first
    attempt.stop()
    attempt.end()
    assert attempt.log() == "run\n"
    attempt.start()
    assert attempt.shim is not None
    assert attempt.shim.wait(40) == 0
    assert attempt.log() == "run\n"
