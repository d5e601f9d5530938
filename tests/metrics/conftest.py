"""Metrics are read from logs: the fixtures are those of the logs."""

from tests.logs.conftest import archive, experiment_id, new_writer

__all__ = ["archive", "experiment_id", "new_writer"]
