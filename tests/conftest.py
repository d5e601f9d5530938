"""What holds for all tests: nothing is timed, and some stay together when several processes run them."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

# Examples may be slow: on a busy machine that says nothing.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of a module in one process that share a fixture, or a cluster: each process has one of its own."""
    if config.pluginmanager.hasplugin("xdist"):
        for item in items:
            if isinstance(item, pytest.Function) and (group := _group(item)):
                item.add_marker(pytest.mark.xdist_group(group))


def _group(item: pytest.Function) -> str | None:
    fixtures = item._fixtureinfo.name2fixturedefs
    shared = any(definitions[-1].scope not in ("function", "session") for definitions in fixtures.values())
    return f"{item.path.parent.name}/{item.path.stem}" if shared or "cluster" in fixtures else None
