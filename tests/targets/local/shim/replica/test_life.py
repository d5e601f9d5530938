"""One replica by itself, with a real process."""

from __future__ import annotations

import select
from pathlib import Path

from submarine_jupyter_server.targets.local.shim.exchange.plan import Item
from submarine_jupyter_server.targets.local.shim.replica import life as module
from submarine_jupyter_server.targets.local.shim.replica.life import Replica
from submarine_jupyter_server.targets.local.shim.replica.log_files import Archive
from tests.targets.local.shim.attempt import item, until


def begin(folder: Path, command: str) -> Replica:
    replica = Replica(Item(item("worker-0", command)), Archive(str(folder / "log"), 2**20))
    replica.start()
    return replica


def text(replica: Replica) -> bytes:
    return replica.archive.tail(1000)


def wrote(replica: Replica, words: bytes) -> bool:
    replica.drain()
    return words in text(replica)


def test_from_start_to_end(tmp_path: Path) -> None:
    replica = begin(tmp_path, "echo hello; exit 3")
    assert replica.starting
    select.select([replica.ready], [], [])
    replica.begun()
    assert (replica.alive, replica.starting, replica.status) == (True, False, "Running")
    until(replica.poll, lambda: "its end")
    assert (replica.exit_code, replica.signal, replica.unclean, text(replica)) == (3, None, True, b"hello\n")
    assert replica.how_it_ended() == "worker-0 failed with exit code 3; last lines:\nhello"
    replica.settle("Failed", "ReplicaFailed")
    replica.close()
    report = replica.report()
    assert (report["pid"], report["status"], replica.closed, replica.pipe, replica.ready) == (
        None,
        "Failed",
        True,
        -1,
        -1,
    )


def test_only_its_main_process_is_asked_first(tmp_path: Path) -> None:
    child = 'trap "echo child; exit" TERM; echo up; while :; do sleep 0.05; done'
    replica = begin(tmp_path, f"trap 'echo main; exit 5' TERM; sh -c '{child}' & while :; do sleep 0.05; done")

    until(lambda: wrote(replica, b"up"), lambda: "the child is there")
    replica.ask(30)
    until(replica.poll, lambda: "its end")
    assert replica.exit_code == 5
    until(lambda: wrote(replica, b"child"), lambda: "what it left is asked then")
    assert text(replica).startswith(b"up\nmain\n")
    replica.close()


def test_the_earlier_end_counts(tmp_path: Path) -> None:
    replica = begin(tmp_path, "trap '' TERM; echo up; sleep 600; true")
    until(lambda: wrote(replica, b"up"), lambda: "it minds no signal")
    replica.end(0)
    at = replica.kill_at
    replica.ask(60)
    assert replica.kill_at == at
    assert replica.must_die
    replica.kill()
    until(replica.poll, lambda: "its end")
    assert replica.signal == "SIGKILL"
    replica.close()


def test_one_that_never_starts_is_no_longer_waited_for(tmp_path: Path) -> None:
    replica = begin(tmp_path, "exec sleep 600")
    replica._ready_until = 0.0
    assert (replica.ready >= 0, replica.starting) == (True, False)
    replica.kill()
    until(replica.poll, lambda: "its end")
    assert replica.ready == -1
    replica.close()


def test_a_failed_supervisor_closes_what_it_can(tmp_path: Path) -> None:
    replica = begin(tmp_path, "exec sleep 600")
    replica.kill()

    def end() -> None:
        raise ValueError("this is what failed")

    replica.archive.end = end  # type: ignore[method-assign]
    replica.give_up("SupervisorFailed")
    assert (replica.status, replica.reason, replica.report()["pid"]) == ("Failed", "SupervisorFailed", None)


def test_what_ends_in_a_moment_is_not_worth_a_word(tmp_path: Path) -> None:
    replica = Replica(Item(item("worker-0", "true")), Archive(str(tmp_path), 2**20))
    replica.behind, replica.finished_ms = 2, module.now_ms()
    assert not replica.say_behind()
    replica.finished_ms -= module.NOTICE_MS
    assert replica.say_behind()
    assert not replica.say_behind()
    assert replica.message == "its command ended, 2 processes in the background go on"
