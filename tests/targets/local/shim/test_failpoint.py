"""A test can let the shim die at any of its places."""

from __future__ import annotations

import re

from submarine_jupyter_server.failpoints import SHIM_NAMES
from tests.targets.local.shim.attempt import PACKAGE, Attempt, item


def test_the_names_are_those_that_are_passed() -> None:
    passed = {name for path in PACKAGE.glob("*.py") for name in re.findall(r'reach\("(\w+)"\)', path.read_text())}
    assert passed == set(SHIM_NAMES)


def test_killed_there(attempt: Attempt) -> None:
    attempt.start(item("worker-0", "exec sleep 600"), failpoint="shim_running:kill")
    assert attempt.shim is not None
    assert attempt.shim.wait(40) == -9
