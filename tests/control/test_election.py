"""Who of several servers is the controller: never two, also when its files are removed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from submarine_jupyter_server.control.election import Election


def test_one_leads_until_it_lets_go(tmp_path: Path) -> None:
    first, second = Election(tmp_path), Election(tmp_path)
    assert first.lead()
    assert first.lead()
    assert not second.lead()
    assert first.holds()
    first.release()
    assert second.lead()
    assert not first.lead()
    second.release()


def test_the_controller_knows_whether_somebody_follows(tmp_path: Path) -> None:
    first, second, third = (Election(tmp_path) for _ in range(3))
    assert first.lead()
    assert not first.followed()
    for other in (second, third):
        other.follow()
    assert first.followed()
    second.release()
    assert first.followed()
    third.release()
    assert not first.followed()
    first.release()


def test_a_follower_that_takes_over_does_not_follow_itself(tmp_path: Path) -> None:
    follower = Election(tmp_path)
    follower.follow()
    assert follower.lead()
    assert not follower.followed()
    follower.release()


@pytest.mark.parametrize("replaced", [False, True])
def test_a_lock_file_that_was_removed_is_locked_again(tmp_path: Path, replaced: bool) -> None:
    first, second = Election(tmp_path), Election(tmp_path)
    assert first.lead()
    (tmp_path / "controller.lock").unlink()
    if replaced:
        (tmp_path / "controller.lock").touch()
    assert not first.holds()
    assert first.lead()
    assert not second.lead()
    first.release()


def test_a_lock_file_that_somebody_else_locked_anew_is_lost(tmp_path: Path) -> None:
    first, second = Election(tmp_path), Election(tmp_path)
    assert first.lead()
    (tmp_path / "controller.lock").unlink()
    assert second.lead()
    assert not first.lead()
    assert not first.holds()
    second.release()


def test_a_living_predecessor_is_found_and_a_dead_one_is_not(tmp_path: Path) -> None:
    first, second = Election(tmp_path), Election(tmp_path)
    first.write([], [])
    assert second.predecessor() is None  # the same process is no other server
    path = tmp_path / "controller.json"
    note = json.loads(path.read_text())
    parent = Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(")")[2].split()
    path.write_text(json.dumps(note | {"pid": os.getppid(), "ticks": int(parent[19])}))
    found = second.predecessor()
    assert found is not None
    assert str(found) == f"the server with pid {os.getppid()}"
    path.unlink()
    assert second.predecessor() is None
    assert second.predecessor(found) == found  # its note was removed, too
    path.write_text(json.dumps(note | {"pid": os.getppid(), "ticks": int(parent[19]) - 1}))
    assert second.predecessor() is None  # another process with that number


def test_what_the_controller_says_is_read_as_it_is(tmp_path: Path) -> None:
    first, second = Election(tmp_path), Election(tmp_path)
    assert second.note() is None
    first.write([{"name": "local", "capacity": {"cpus": 2}}], ["The disk is full."])
    note = second.note()
    assert note is not None
    assert (note.pid, note.targets[0]["name"], note.notices) == (os.getpid(), "local", ["The disk is full."])
    before = second.beat()
    first.write([], [])
    assert second.beat() != before
    first.release()
    assert second.note() is None


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"[1]", b'{"pid": 1}', b"\xff\xfe"])
def test_a_note_that_cannot_be_read_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "controller.json").write_bytes(content)
    assert Election(tmp_path).note() is None
    assert Election(tmp_path).predecessor() is None


def test_a_note_that_is_no_file_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "controller.json")
    assert Election(tmp_path).note() is None
    controller = Election(tmp_path)
    assert controller.lead()
    controller.write([], [])
    assert controller.note() is not None
    controller.release()
