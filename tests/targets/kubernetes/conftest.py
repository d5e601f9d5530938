"""Take in the cluster fixtures."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Register the plugin if no other conftest.py did."""
    config.pluginmanager.import_plugin("tests.cluster.fixtures")
