"""The files of an experiment: written once, read safely, removed whole."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from submarine_jupyter.errors import NotFound, TargetUnavailable
from submarine_jupyter_server.targets.local.rundir.files import Unreadable
from submarine_jupyter_server.targets.local.rundir.folders import Attempt, Lock, RunFolders
from tests.targets.local.attempts.test_attempt_status import GOOD
from tests.targets.local.bench import launch

PLAN = GOOD["plan.json"]


@pytest.fixture
def attempt(tmp_path: Path) -> Attempt:
    found = RunFolders(tmp_path).experiment("experiment-1-0001").attempt(1)
    found.path.mkdir(parents=True)
    return found


@pytest.mark.parametrize("links", [True, False])
def test_the_first_plan_stays(attempt: Attempt, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    """Also on a file system that has no hard links."""
    if not links:

        def refuse(*_: object) -> None:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

        monkeypatch.setattr(os, "link", refuse)
    assert attempt.create_plan(PLAN) == PLAN
    assert attempt.create_plan(PLAN | {"generation": 2}) == PLAN
    assert attempt.read("plan.json") == PLAN
    assert not [name for name in os.listdir(attempt.path) if name.startswith(".plan")]


def test_what_the_lock_tells(attempt: Attempt) -> None:
    lock = attempt.path / "lock"
    assert attempt.lock_state()[0] is Lock.MISSING
    lock.touch()
    assert attempt.lock_state()[0] is Lock.FREE
    with lock.open() as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        state, before = attempt.lock_state()
        assert state is Lock.HELD
        os.utime(holder.fileno(), ns=(1, before + 1))
        assert attempt.lock_state() == (Lock.HELD, before + 1)
        assert not attempt.finish(GOOD["exit.json"])
    lock.unlink()
    os.mkfifo(lock)
    assert attempt.lock_state()[0] is Lock.SPOILT
    assert attempt.finish(GOOD["exit.json"])
    assert attempt.read("exit.json") == GOOD["exit.json"]


def test_who_asks_for_the_lock_is_not_taken_for_a_supervisor(attempt: Attempt) -> None:
    with (attempt.path / "lock").open("w") as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        assert attempt.lock_state()[0] is Lock.FREE


def test_an_end_that_cannot_be_read_is_replaced(attempt: Attempt) -> None:
    (attempt.path / "exit.json").mkdir()
    with pytest.raises(Unreadable):
        attempt.read("exit.json")
    assert attempt.finish(GOOD["exit.json"])
    assert attempt.finish(GOOD["exit.json"] | {"reason": "Later"})
    assert attempt.read("exit.json") == GOOD["exit.json"]


def test_a_call_that_nobody_hears(attempt: Attempt) -> None:
    assert not attempt.call()
    os.mkfifo(attempt.path / "ctl")
    assert not attempt.call()
    reader = os.open(attempt.path / "ctl", os.O_RDONLY | os.O_NONBLOCK)
    assert attempt.call(b"stop")
    assert os.read(reader, 100) == b"stop\n"
    os.close(reader)
    (attempt.path / "ctl").unlink()
    (attempt.path / "ctl").write_text("kept")
    assert not attempt.call(b"stop")
    assert (attempt.path / "ctl").read_text() == "kept"


def test_what_was_ordered_comes_back(tmp_path: Path) -> None:
    order = launch("true")
    folder = RunFolders(tmp_path).experiment(order.experiment_id)
    assert folder.read_launch() is None
    folder.write_launch(order)
    assert folder.read_launch() == order
    assert not folder.deleted
    folder.bury()
    folder.bury()
    assert folder.deleted
    (tmp_path / "work" / order.experiment_id / "1").mkdir(parents=True)
    folder.remove()
    assert os.listdir(tmp_path / "work") == []
    assert os.listdir(folder.path) == ["deleted"]


def test_a_record_of_another_experiment(tmp_path: Path) -> None:
    order, other = launch("true"), launch("true")
    runs = RunFolders(tmp_path)
    runs.experiment(order.experiment_id).write_launch(order)
    runs.experiment(order.experiment_id).path.rename(runs.path / other.experiment_id)
    with pytest.raises(Unreadable, match=f"it is about {order.experiment_id}"):
        runs.experiment(other.experiment_id).read_launch()


@pytest.mark.parametrize("name", ["", "..", "experiment-1-0001/..", "experiment-1-1", "Experiment-1-0001"])
def test_nothing_but_an_id_gets_into_a_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotFound):
        RunFolders(tmp_path).experiment(name)


def test_no_folder_is_not_the_same_as_none_in_it(tmp_path: Path) -> None:
    runs = RunFolders(tmp_path)
    with pytest.raises(TargetUnavailable, match="cannot be listed"):
        runs.experiments()
    runs.create()
    assert runs.experiments() == []
