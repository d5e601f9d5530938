"""A service is opened with the configuration that those of the services have."""

from tests.services.conftest import config

__all__ = ["config"]
