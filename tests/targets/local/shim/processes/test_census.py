"""Who lives below a process, and since when."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from submarine_jupyter_server.targets.local.shim.processes import census
from submarine_jupyter_server.targets.local.shim.processes.identity import start_ticks
from tests.targets.local.shim.attempt import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_changes_are_news_once() -> None:
    counted = census.Census()
    counted.take()
    assert not counted.take()
    with subprocess.Popen(["sh", "-c", "sleep 600; true"]) as child:
        assert counted.take()
        until(lambda: counted.take() or len(counted.tree_of([child.pid])) == 2, lambda: "its child")
        counted.take()
        first, second = counted.tree_of([child.pid])
        assert first == child.pid
        assert [pid_and_ticks for pid_and_ticks in counted.listed() if pid_and_ticks[0] == second] == [
            [second, start_ticks(second)]
        ]
        os.kill(second, 9)
    assert counted.take()
    assert counted.tree_of([child.pid]) == [child.pid]


def test_the_list_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(census, "MAX_LISTED", 1)
    counted = census.Census()
    with subprocess.Popen(["sleep", "600"]) as first, subprocess.Popen(["sleep", "600"]) as second:
        counted.take()
        assert len(counted.listed()) == 1
        first.kill()
        second.kill()
