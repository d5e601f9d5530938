"""Every signal there is, whatever a replica does with it, in each way an experiment can end."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from submarine_jupyter_server.targets.local.shim.words import signal_name
from tests.targets.local.shim.attempt import Attempt, Json, ignored_for_good, item, lives

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="numbers signals as Linux does")

ALL = range(1, 65)
RESERVED = {32, 33}  # glibc keeps them for itself: nobody can trap or ignore them
# Without effect: these, and those of a terminal, for a session without one.
HARMLESS = {signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH}
HARMLESS |= {signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
# Each command that a shell has run sends it SIGCHLD: it would end by itself.
TRAPPED = [number for number in ALL if number not in {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD} | RESERVED]
EVERY_TRAP = f"trap 'exit 0' {' '.join(map(str, TRAPPED))}"
HOG = "x=$(head -c 30000000 /dev/zero | tr '\\0' x)"


def trapping(number: int) -> str:
    """Return a command that answers a signal with success."""
    return f"trap 'exit 0' {number} 2>&-; while :; do sleep 0.1; done"


def ended(report: Json) -> str:
    return f"{report['status']} {report['exit_code']} {report['signal']} {report['message']}"


def test_own_death_by_every_signal(attempt: Attempt) -> None:
    """The supervisor stands, and names the signal; other replicas are not touched by it."""
    plain = [item(f"worker-{number}", f"kill -{number} $$; exit 7") for number in ALL]
    trapped = [item(f"ps-{n}", f"trap 'exit 0' {n} 2>&-; kill -{n} $$; exit 7", duty="helper") for n in ALL]
    attempt.start(*plain, *trapped, retries=10**6)
    stopped = {f"{role}-{int(signal.SIGSTOP)}" for role in ("worker", "ps")}
    seen: dict[str, str] = {}

    def all_seen() -> bool:
        for report in attempt.state()["replicas"]:
            if report["status"] != "Running":
                seen.setdefault(report["name"], ended(report))
        return len(seen) == 2 * len(ALL) - len(stopped)

    attempt.until(all_seen)
    inherited = ignored_for_good()
    for number in ALL:
        if number == signal.SIGSTOP:
            continue
        if number in HARMLESS | inherited:
            assert "failed with exit code 7" in seen[f"worker-{number}"]
        else:
            assert f"was killed by {signal_name(number)};" in seen[f"worker-{number}"].replace(" (by", "; (by")
        trappable = number not in {signal.SIGKILL} | RESERVED
        answered = "Succeeded 0 None" if trappable else "Waiting 7" if number in inherited else "Waiting None SIG"
        assert seen[f"ps-{number}"].startswith(answered), number
    attempt.stop()
    end = attempt.end()
    assert (end["status"], end["reason"]) == ("Failed", "Stopped")
    assert {report["name"]: report["status"] for report in end["replicas"]}.keys() == {*seen, *stopped}
    assert [r["status"] for r in end["replicas"] if r["name"] in stopped] == ["Stopped", "Stopped"]
    assert attempt.complaints() == ""


@pytest.mark.parametrize("retries", [0, 3])
@pytest.mark.parametrize("trap", ["", f"{EVERY_TRAP};"], ids=["plain", "trap exit 0"])
def test_out_of_memory(attempt: Attempt, trap: str, retries: int) -> None:
    """No exit code turns it into a success, and no other try is made: it would need as much."""
    limit = {"memory_bytes": 2**24, "memory": "16Mi"}
    attempt.start(item("worker-0", f"{trap} {HOG}; while :; do sleep 0.1; done", **limit), retries=retries)
    end = attempt.end()
    [replica] = end["replicas"]
    assert (end["status"], end["reason"]) == ("Failed", "OOMKilled")
    assert (replica["status"], replica["reason"], replica["restarts"]) == ("Failed", "OOMKilled", 0)
    assert (replica["signal"], replica["exit_code"]) == ("SIGKILL", None)
    assert "worker-0 ran out of memory: it used " in end["message"]
    assert "Mi of its 16Mi" in end["message"]


@pytest.mark.parametrize("cause", ["stop", "deadline"])
def test_ended_by_us(attempt: Attempt, cause: str) -> None:
    """Who answers our SIGTERM with exit code 0 has not succeeded; what is trapped besides changes nothing."""
    commands = [*map(trapping, TRAPPED), f"{EVERY_TRAP}; while :; do sleep 0.1; done", "exec sleep 600"]
    items = [item(f"worker-{number}", command) for number, command in enumerate(commands)]
    attempt.start(*items, max_run_time_s=1 if cause == "deadline" else None, grace_s=5)
    attempt.until(lambda: attempt.state()["status"] == "Running")
    if cause == "stop":
        attempt.stop(5)
    end = attempt.end()
    assert (end["status"], end["reason"]) == ("Failed", "Stopped" if cause == "stop" else "DeadlineExceeded")
    assert {report["status"] for report in end["replicas"]} == {"Stopped"}
    assert {report["pid"] for report in end["replicas"]} == {None}


def test_signals_to_the_supervisor(attempt: Attempt, tmp_path: Path) -> None:
    """A replica can send them to its parent; only what says "end" ends it, and it ends all then."""
    mine = {signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, *RESERVED}
    faults = {
        signal.SIGSEGV,
        signal.SIGBUS,
        signal.SIGFPE,
        signal.SIGILL,
        signal.SIGABRT,
        signal.SIGTRAP,
        signal.SIGSYS,
    }
    harmless = [number for number in ALL if number not in mine | faults]
    kills = "; ".join(f"kill -{number} $PPID" for number in harmless)
    attempt.start(item("worker-0", f"{kills}; echo sent; exec sleep 600"))
    attempt.until(lambda: attempt.log() == "sent\n")
    attempt.until(lambda: attempt.state()["status"] == "Running")
    pid = attempt.replica()["pid"]
    assert attempt.shim is not None
    attempt.shim.terminate()
    end = attempt.end()
    assert (end["status"], end["reason"]) == ("Failed", "Terminated")
    assert not lives(pid)


def test_a_signal_without_a_name_has_a_number() -> None:
    assert (signal_name(9), signal_name(40), signal_name(200)) == ("SIGKILL", "SIG40", "SIG200")
