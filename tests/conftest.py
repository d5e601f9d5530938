"""What holds for all tests: nothing is timed, and of several workers none waits for a long test at the end."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

from tests.dealing import dealt

# Examples may be slow: on a busy machine that says nothing.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Deal the tests to the workers."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers > 1:
        long = [item for item in items if _is_long(item)]
        short = [item for item in items if not _is_long(item)]
        items[:] = dealt(long, short, workers)


def _is_long(item: pytest.Item) -> bool:
    """Whether a test needs a cluster, or is marked as one that takes long."""
    marked = item.get_closest_marker("slow") or item.get_closest_marker("timeout")
    return marked is not None or "cluster" in getattr(item, "fixturenames", ())
