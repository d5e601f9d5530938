"""The books of one experiment: its attempts, what they hold, when it is tried again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from submarine_jupyter_server.targets.local.attempts.attempt_status import AttemptStatus, Life, Pulse
from submarine_jupyter_server.targets.local.machine.scheduler import Amount
from submarine_jupyter_server.targets.local.run import AttemptRun, Run, older_than, on_disk
from submarine_jupyter_server.targets.local.rundir.folders import Lock, RunFolders
from tests.targets.local.attempts.test_attempt_status import GOOD, ITEM, REPLICA, STATE
from tests.targets.local.bench import launch

TWO = {"Worker": {"replicas": 2, "resources": "cpu=2,memory=1Mi"}}


def run_of(tmp_path: Path) -> Run:
    order = launch("true", tasks=TWO)
    folder = RunFolders(tmp_path).experiment(order.experiment_id)
    return Run(AttemptRun(order, folder.attempt(1)), folder)


def test_what_an_attempt_holds(tmp_path: Path) -> None:
    """What is planned and has not ended, what is ending; nothing where it cannot run."""
    attempt = run_of(tmp_path).present
    assert attempt.held() == Amount()
    items = [ITEM | {"name": f"worker-{index}", "cpu": 500, "memory_bytes": 10} for index in range(2)]
    attempt.plan = GOOD["plan.json"] | {"replicas": items}
    assert attempt.held() == Amount(1000, 20)
    ended = REPLICA | {"name": "worker-1", "status": "Succeeded", "pid": None}
    attempt.status = AttemptStatus(Life.ALIVE, STATE | {"replicas": [REPLICA, ended]})
    assert attempt.held() == Amount(500, 10)
    attempt.plan = None  # unreadable: what runs counts by its spec
    assert attempt.held() == Amount(2000, 2**20)
    for life in (Life.ENDED, Life.VANISHED, Life.ELSEWHERE, Life.UNREADABLE):
        attempt.status = replace(attempt.status, life=life)
        assert attempt.held() == Amount()


def test_an_older_attempt_stays_in_the_books(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    first = run.present
    first.plan = GOOD["plan.json"]
    run.fresh, run.trouble, run.failures = False, "no port", 3
    second = replace(run.launch, attempt=2, generation=2)
    for number in (1, 2):
        run.folder.attempt(number).path.mkdir(parents=True)
    run.turn_to(second, *on_disk(second, run.folder))
    assert run.attempts[0] is first
    assert first.replaced
    assert run.launch == second
    assert [run.trouble, run.failures] == [None, 0]
    assert run.held() == Amount(1, 0)
    run.granted = Amount(4000, 0)
    assert run.held() == Amount(4001, 0)
    run.folder.attempt(1).finish(GOOD["exit.json"])
    assert older_than(second, run.folder) == []


def test_pauses_grow_and_have_an_end(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    pauses = []
    for run.failures in (1, 2, 3, 7, 1000):
        pauses.append(run.pause_s())
    assert all(1 <= pause <= longest for pause, longest in zip(pauses, (2, 4, 8, 60, 60), strict=True))


def test_when_to_look(tmp_path: Path) -> None:
    attempt = run_of(tmp_path).present
    quiet = Pulse(Lock.HELD, 1, ())
    assert attempt.feel(quiet, 1.0)
    attempt.status = AttemptStatus(Life.ALIVE)
    assert not attempt.feel(replace(quiet, beat_ns=2), 1.0)
    for _ in range(14):
        assert not attempt.feel(replace(quiet, beat_ns=2), 1.0)
    assert attempt.feel(replace(quiet, beat_ns=2), 1.0)
    assert attempt.stuck
    assert attempt.feel(replace(quiet, beat_ns=3), 1.0)
    assert not attempt.stuck
    assert attempt.feel(replace(quiet, lock=Lock.FREE), 1.0)
    attempt.status = AttemptStatus(Life.UNREADABLE)
    attempt.feel(quiet, 1.0)
    assert sum(attempt.feel(quiet, 1.0) for _ in range(60)) == 10
