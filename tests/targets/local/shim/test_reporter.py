"""What is published, and when."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from submarine_jupyter_server.targets.local.shim import reporter as module
from submarine_jupyter_server.targets.local.shim.exchange.heartbeat import Heartbeat
from submarine_jupyter_server.targets.local.shim.exchange.plan import Item, Plan
from submarine_jupyter_server.targets.local.shim.outcome import AttemptOutcome
from submarine_jupyter_server.targets.local.shim.replica.life import Replica
from submarine_jupyter_server.targets.local.shim.replica.log_files import Archive
from tests.targets.local.shim.attempt import Json, item
from tests.targets.local.shim.exchange.test_plan import GOOD


class Published:
    """A reporter, and what it has written."""

    def __init__(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "runs/experiment-1-0001/1"
        self.folder.mkdir(parents=True)
        os.mkfifo(tmp_path / "runs/.news")
        self.news = os.open(tmp_path / "runs/.news", os.O_RDONLY | os.O_NONBLOCK)
        self.plan = Plan(GOOD)
        self.replica = Replica(Item(item("worker-0", "true")), Archive(str(self.folder / "log"), 2**20))
        self.reporter = module.AttemptReporter(str(self.folder), Heartbeat(self.news))

    def publish(self) -> Json | None:
        path = self.folder / "state.json"
        path.unlink(missing_ok=True)
        self.reporter.publish(self.plan, [self.replica], lambda: [[1, 2]])
        return json.loads(path.read_text()) if path.exists() else None

    def told(self) -> bytes:
        try:
            return os.read(self.news, 100)
        except BlockingIOError:
            return b""


def test_only_news_are_published(tmp_path: Path) -> None:
    published = Published(tmp_path)
    first = published.publish()
    assert first is not None
    assert (first["status"], first["descendants"], published.told()) == ("Created", [[1, 2]], b"experiment-1-0001/1\n")
    assert published.publish() is None
    published.reporter.running()
    second = published.publish()
    assert second is not None
    assert (second["status"], published.told() != b"") == ("Running", True)
    published.reporter.found = True  # for who cleans up: nobody else is told
    assert (published.publish() is not None, published.told()) == (True, b"")
    published.reporter.note("a sentence")
    published.reporter.note("a sentence")
    third = published.publish()
    assert third is not None
    assert third["notes"] == ["a sentence"]
    os.close(published.news)


def test_a_full_disk_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published = Published(tmp_path)
    draft = published.folder / "state.json.tmp"
    (draft / "in the way").mkdir(parents=True)
    assert published.publish() is None
    monkeypatch.setattr(published.reporter, "_publish_at", 0.0)
    (draft / "in the way").rmdir()
    draft.rmdir()
    assert published.publish() is not None
    os.close(published.news)


def test_the_end_says_what_could_not_be_ended(tmp_path: Path) -> None:
    published = Published(tmp_path)
    (published.folder / "ctl").touch()
    published.reporter.finish(
        published.plan, [published.replica], AttemptOutcome("Succeeded"), "1 process could not be ended"
    )
    end = json.loads((published.folder / "exit.json").read_text())
    assert (end["status"], end["message"]) == ("Succeeded", "1 process could not be ended")
    assert end["finished_ms"] >= end["created_ms"]
    assert not (published.folder / "ctl").exists()
    os.close(published.news)
