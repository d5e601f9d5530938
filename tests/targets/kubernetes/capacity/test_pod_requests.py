from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from submarine_jupyter_server.targets.kubernetes.capacity.pod_requests import amounts, requests_of


def asks(restart: str | None = None, **requests: str) -> dict[str, Any]:
    """Return a container."""
    return {"resources": {"requests": requests}} | ({"restartPolicy": restart} if restart else {})


@pytest.mark.parametrize(
    ("spec", "cpu"),
    [
        ({}, None),
        ({"containers": [{}, {"resources": {}}]}, None),
        ({"containers": [asks(cpu="500m"), asks(cpu="1.5")]}, "2"),
        ({"containers": [asks(cpu="1")], "initContainers": [asks(cpu="3"), asks(cpu="2")]}, "3"),
        ({"containers": [asks(cpu="1")], "initContainers": [asks("Always", cpu="2"), asks(cpu="3")]}, "5"),
        ({"containers": [asks(cpu="4")], "initContainers": [asks(cpu="5"), asks("Always", cpu="2")]}, "6"),
        ({"containers": [asks(cpu="1")], "overhead": {"cpu": "250m"}}, "1.25"),
        ({"containers": [asks(cpu="1")], "resources": {"requests": {"cpu": "8"}}}, "8"),
        ({"containers": [asks(cpu="what")]}, "0"),
    ],
)
def test_a_pod_takes_what_the_scheduler_counts(spec: dict[str, Any], cpu: str | None) -> None:
    assert requests_of({"spec": spec}).get("cpu") == (None if cpu is None else Decimal(cpu))


def test_only_cpu_memory_and_gpus_are_looked_at() -> None:
    listed = {"cpu": "1", "memory": "1Ki", "ephemeral-storage": "1Gi", "pods": "110", "hugepages-2Mi": "0"}
    devices = {"nvidia.com/gpu": "8", "nvidia.com/mig-1g.5gb": "7", "rdma/hca": "1"}
    assert amounts(listed | devices) == {"cpu": 1, "memory": 1024, "nvidia.com/gpu": 8, "nvidia.com/mig-1g.5gb": 7}
    assert amounts(None) == {}
