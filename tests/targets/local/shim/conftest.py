"""Fixtures of the shim's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.targets.local.shim.attempt import Attempt


@pytest.fixture
def attempt(tmp_path: Path) -> Iterator[Attempt]:
    """An attempt whose processes do not outlive the test."""
    attempt = Attempt(tmp_path)
    yield attempt
    attempt.close()
