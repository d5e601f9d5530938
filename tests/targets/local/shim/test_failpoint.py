"""A test can let the shim die at any of its places."""

from __future__ import annotations

import re

import pytest

from submarine_jupyter_server.process.failpoints import SHIM_NAMES
from tests.targets.local.shim.attempt import PACKAGE, Attempt, item


def test_the_names_are_those_that_are_passed() -> None:
    passed = {name for path in PACKAGE.glob("*.py") for name in re.findall(r'reach\("(\w+)"\)', path.read_text())}
    assert passed == set(SHIM_NAMES)


def test_killed_there(attempt: Attempt) -> None:
    attempt.start(item("worker-0", "exec sleep 600"), failpoint="shim_running:kill")
    assert attempt.shim is not None
    assert attempt.shim.wait(40) == -9


@pytest.mark.parametrize(("place", "dies"), [("shim_running:kill:1", True), ("shim_running:kill:2", False)])
def test_the_nth_time(attempt: Attempt, place: str, dies: bool) -> None:
    """It is reached once, when the command runs."""
    attempt.start(item("worker-0", "exit 0"), failpoint=place)
    assert attempt.shim is not None
    assert attempt.shim.wait(40) == (-9 if dies else 0)


def test_it_hangs_there_until_it_is_killed(attempt: Attempt) -> None:
    attempt.start(item("worker-0", "exit 0"), failpoint="shim_running:hang")
    assert attempt.shim is not None
    attempt.until(lambda: attempt.state()["replicas"])
    attempt.shim.kill()
    assert attempt.shim.wait(40) == -9
    assert not (attempt.path / "exit.json").exists()
