"""The loop: what it does with orders and with replicas, while others wait for it."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from submarine_jupyter_server.targets.local.shim.processes.tree import read
from tests.targets.local.shim.attempt import Attempt, item, lives, number_in, until

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells which processes are below one")
# Its child answers a SIGTERM of its own; a launcher passes that on, and needs the child until the checkpoint is there.
LAUNCHER = """
trap 'kill -USR1 $child; wait $child; echo saved; exit 0' TERM
sh -c 'trap "echo told by TERM" TERM; trap "echo checkpoint; exit 0" USR1; echo begun; while :; do sleep 0.1; done' &
child=$!
while :; do wait; done
"""


def test_a_stop_tells_the_main_process_first(attempt: Attempt) -> None:
    attempt.start(item("worker-0", LAUNCHER))
    attempt.until(lambda: attempt.log() == "begun\n")
    attempt.stop(20)
    end = attempt.end()
    assert attempt.log() == "begun\ncheckpoint\nsaved\n"
    assert (end["replicas"][0]["status"], end["replicas"][0]["exit_code"]) == ("Stopped", 0)


@linux
def test_what_the_main_process_leaves_has_the_rest_of_the_time(attempt: Attempt) -> None:
    """A shell that waits for a command dies of SIGTERM; its command is told then, and may save its work."""
    save = "trap 'sleep 0.5; echo saved; exit 0' TERM; echo begun; while :; do sleep 0.1; done"
    attempt.start(item("worker-0", f'sh -c "{save}"; echo never'))
    attempt.until(lambda: attempt.log() == "begun\n")
    attempt.stop(20)
    attempt.end()
    assert attempt.log().endswith("saved\n")
    assert "never" not in attempt.log()


@linux
def test_after_the_grace_time_all_are_killed(attempt: Attempt) -> None:
    stubborn = "trap '' TERM; sleep 600; true"
    attempt.start(item("worker-0", f'(setsid -f sh -c "{stubborn}") & ({stubborn}) & {stubborn}'))
    attempt.until(lambda: len(attempt.state()["descendants"]) >= 6)
    processes = [pid for pid, _ in attempt.state()["descendants"]]
    attempt.stop(0.3)
    assert attempt.end()["replicas"][0]["signal"] == "SIGKILL"
    assert not any(map(lives, processes))


@linux
@pytest.mark.parametrize("command", ["{} &", "nohup {} > {}.out 2>&1 &", "({} &) &", "set -m; {} &"])
def test_a_job_in_the_background_is_waited_for(attempt: Attempt, tmp_path: Path, command: str) -> None:
    script = tmp_path / "train.sh"
    script.write_text(f"#!/bin/sh\nwhile ! test -e {tmp_path}/go; do sleep 0.05; done\ntouch {tmp_path}/model\n")
    script.chmod(0o700)
    attempt.start(item("worker-0", command.replace("{}", str(script))))
    said = "its command ended, 2 processes in the background go on"
    attempt.until(lambda: "in the background" in (attempt.state()["message"] or ""))
    state = attempt.state()
    assert (state["status"], state["reason"]) == ("Running", "InBackground")
    assert state["message"] in (said, "its command ended, 1 process in the background goes on")
    replica = attempt.replica()
    assert (replica["status"], replica["exit_code"], replica["finished_ms"]) == ("Running", None, None)
    (tmp_path / "go").touch()
    end = attempt.end()
    assert (end["status"], end["replicas"][0]["exit_code"]) == ("Succeeded", 0)
    assert (tmp_path / "model").exists()
    assert end["notes"] == []


@linux
@pytest.mark.parametrize(("job", "how"), [("exit 3", "with exit code 3"), ("kill -40 $$", "by SIG40")])
def test_a_job_in_the_background_that_fails_is_a_note(attempt: Attempt, tmp_path: Path, job: str, how: str) -> None:
    script = f"until test -e {tmp_path}/go; do sleep 0.05; done; {job}"
    attempt.start(item("worker-0", f"sh -c '{script}' &"))
    attempt.until(lambda: attempt.state()["reason"] == "InBackground")
    (tmp_path / "go").touch()
    end = attempt.end()
    assert end["status"] == "Succeeded"
    assert end["notes"] == [f"local: worker-0: a process that it left in the background ended {how}"]


@linux
@pytest.mark.parametrize("cause", ["stop", "deadline", "memory"])
def test_a_job_in_the_background_can_be_ended(attempt: Attempt, cause: str) -> None:
    job = "x=$(head -c 30000000 /dev/zero | tr '\\0' x); sleep 600; true" if cause == "memory" else "sleep 600; true"
    limit = {"memory_bytes": 2**24, "memory": "16Mi"} if cause == "memory" else {}
    attempt.start(item("worker-0", f"({job}) & true", **limit), max_run_time_s=2 if cause == "deadline" else None)
    if cause == "stop":
        attempt.until(lambda: attempt.state()["reason"] == "InBackground")
        attempt.stop()
    end = attempt.end()
    reason = {"stop": "Stopped", "deadline": "DeadlineExceeded", "memory": "OOMKilled"}[cause]
    assert (end["status"], end["reason"]) == ("Failed", reason)
    assert end["replicas"][0]["status"] == ("Failed" if cause == "memory" else "Stopped")


@linux
def test_what_failed_leaves_nothing_in_the_background(attempt: Attempt, tmp_path: Path) -> None:
    attempt.start(item("worker-0", f"(echo $$; exec sleep 600) & echo $! > {tmp_path}/pid; exit 3"), grace_s=20)
    end = attempt.end()
    assert (end["reason"], end["replicas"][0]["exit_code"]) == ("ReplicaFailed", 3)
    assert not lives(number_in(tmp_path / "pid"))


@linux
def test_a_daemon_is_ended_and_that_is_said(attempt: Attempt, tmp_path: Path) -> None:
    daemon = f"echo $$ > {tmp_path}/pid; exec sleep 600 > /dev/null 2>&1"
    attempt.start(item("worker-0", f"setsid sh -c '{daemon}' & until test -s {tmp_path}/pid; do sleep 0.05; done"))
    end = attempt.end()
    assert end["status"] == "Succeeded"
    assert end["notes"] == ["local: worker-0: 1 process that it left running was ended"]
    assert not lives(number_in(tmp_path / "pid"))


def test_the_pause_before_another_try_is_shown_and_bounded(attempt: Attempt) -> None:
    attempt.start(item("worker-0", "exit 4"), retries=100)
    attempt.until(lambda: attempt.replica()["status"] == "Waiting" and attempt.replica()["restarts"] == 2)
    state = attempt.state()
    assert (state["status"], state["reason"]) == ("Running", "Restarting")
    assert state["message"] == "worker-0 failed with exit code 4; it wrote nothing\nstart 3 of 101 in 2 s"
    attempt.stop()
    assert attempt.end()["reason"] == "Stopped"


def test_the_pause_of_one_is_not_the_experiments(attempt: Attempt) -> None:
    attempt.start(item("worker-0", "exit 4"), item("worker-1", "exec sleep 600"), retries=100)
    attempt.until(lambda: attempt.replica()["reason"] == "Restarting" if attempt.state()["replicas"] else False)
    assert attempt.state()["reason"] is None
    attempt.stop()
    attempt.end()


def test_a_retry_takes_no_descriptor_and_no_file(attempt: Attempt) -> None:
    attempt.start(item("worker-0", "echo try; exit 4"), retries=1)
    attempt.end()
    assert [path.name for path in (attempt.path / "logs/worker-0").glob("*.log")] == [f"{0:020}.log"]
    assert attempt.log() == "try\ntry\n"


@linux
def test_it_knows_what_is_below_it(attempt: Attempt) -> None:
    """A server that finds it killed can end also what has cleaned its environment."""
    attempt.start(item("worker-0", "env -i setsid -f sleep 601; exec sleep 602"))
    expected = {b"sleep\x00601\x00", b"sleep\x00602\x00"}
    attempt.until(lambda: {read(f"/proc/{pid}/cmdline") for pid, _ in attempt.state()["descendants"]} == expected)
    listed = attempt.state()["descendants"]
    stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid, _ in listed]
    assert [int(fields[19]) for fields in stats] == [ticks for _, ticks in listed]
    attempt.stop()
    attempt.end()


@linux
def test_stopped_by_its_own_replica_and_woken_again(attempt: Attempt, tmp_path: Path) -> None:
    """What ended meanwhile in time has succeeded, whatever the clock says now."""
    command = f"until test -e {tmp_path}/go; do sleep 0.02; done; kill -STOP $PPID; echo done"
    attempt.start(item("worker-0", command), max_run_time_s=3)
    attempt.until(lambda: attempt.state()["status"] == "Running")
    (tmp_path / "go").touch()
    assert attempt.shim is not None
    shim = psutil.Process(attempt.shim.pid)
    until(lambda: shim.status() == psutil.STATUS_STOPPED, lambda: "the shim is stopped")
    until(lambda: all(child.status() == psutil.STATUS_ZOMBIE for child in shim.children()), lambda: "its end")
    until(lambda: time.time_ns() > (attempt.state()["running_ms"] + 3100) * 10**6, lambda: "the time limit is over")
    shim.resume()
    end = attempt.end()
    assert (end["status"], end["reason"], attempt.log()) == ("Succeeded", None, "done\n")
    assert end["running_ms"] is not None


@linux
def test_a_slow_start_makes_it_deaf_to_nothing(attempt: Attempt) -> None:
    """As of many replicas in a folder of a dead server: output is taken and orders are heard meanwhile."""
    before = (
        "import os, time, shim.replica.execute as e; become = e.become\n"
        "def slow(item):\n    os.write(1, b'forked\\n')\n    time.sleep(600 if item.index else 0)\n    become(item)\n"
        "e.become = slow"
    )
    attempt.start(*(item(f"worker-{index}", "exec sleep 600") for index in range(20)), before=before)
    attempt.until(lambda: attempt.log("worker-19") == "forked\n")
    begun = time.monotonic()
    attempt.stop(20)
    end = attempt.end()
    assert (end["status"], end["reason"]) == ("Failed", "Stopped")
    assert time.monotonic() - begun < 20  # one after the other they would have been given 5 s each


def test_a_plan_that_cannot_be_read_changes_nothing(attempt: Attempt) -> None:
    attempt.start(item("worker-0", "exec sleep 600"))
    attempt.until(lambda: attempt.state()["status"] == "Running")
    for text in ("[", "[]", "{}", "[" * 100_000, json.dumps(attempt.plan | {"grace_s": "long"})):
        draft = attempt.path / "draft"
        draft.write_text(text)
        draft.replace(attempt.path / "plan.json")
        count = attempt.complaints().count("plan.json cannot be read")
        attempt.call()
        attempt.until(lambda count=count: attempt.complaints().count("plan.json cannot be read") == count + 1)  # type: ignore[misc]
    (attempt.path / "plan.json").unlink()
    os.mkfifo(attempt.path / "plan.json")
    attempt.call()
    attempt.until(lambda: "it is not a file" in attempt.complaints())
    (attempt.path / "plan.json").unlink()
    attempt.stop()
    assert attempt.end()["reason"] == "Stopped"


def test_the_lock_shows_that_it_is_at_work(attempt: Attempt) -> None:
    attempt.start(item("worker-0", "exec sleep 600"), before="import shim.exchange.heartbeat as h; h.PERIOD_S = 0.1")
    attempt.until(lambda: attempt.state()["status"] == "Running")
    first = (attempt.path / "lock").stat().st_mtime_ns
    attempt.until(lambda: (attempt.path / "lock").stat().st_mtime_ns > first)
    assert attempt.shim is not None
    attempt.shim.send_signal(signal.SIGSTOP)
    until(lambda: psutil.Process(attempt.shim.pid).status() == psutil.STATUS_STOPPED, lambda: "stopped")  # type: ignore[union-attr]
    before = (attempt.path / "lock").stat().st_mtime_ns
    time.sleep(0.3)
    assert (attempt.path / "lock").stat().st_mtime_ns == before
    attempt.shim.send_signal(signal.SIGCONT)
    attempt.until(lambda: (attempt.path / "lock").stat().st_mtime_ns > before)
    attempt.stop()
    attempt.end()


def test_without_its_plan_it_ends_and_says_so(attempt: Attempt) -> None:
    attempt.start(item("worker-0", "exec sleep 600"))
    attempt.until(lambda: attempt.state()["status"] == "Running")
    (attempt.path / "plan.json").unlink()
    end = attempt.end()
    assert (end["reason"], end["message"]) == ("Terminated", "somebody removed its plan, plan.json")
