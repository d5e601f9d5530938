from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter_server.targets.protocol import Launch

LaunchOf = Callable[..., Launch]


@pytest.fixture(scope="session")
def launch_of_spec() -> LaunchOf:
    """Return a function that makes a launch from a body of the REST API."""

    def make(body: dict[str, Any], **changes: Any) -> Launch:
        spec = ExperimentSpec.parse(body)
        fields: dict[str, Any] = {
            "experiment_id": "experiment-1647574374688-0002",
            "uid": "0b617cea-81fa-40b6-bbff-da3e400d2be4",
            "owner": "ann",
            "name": spec.meta.name,
            "spec": spec,
            "attempt": 1,
            "generation": 1,
            "accepted_ms": 1647574374688,
        }
        return Launch(**{**fields, **changes})

    return make
