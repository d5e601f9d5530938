"""The same on a cluster that has nothing but Kubernetes: no operator, no definition of any kind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster import lifecycle, node_programs
from tests.cluster.cluster import Cluster
from tests.kernel.real_kernel import RealKernel
from tests.kubernetes.server import ClusterServer
from tests.kubernetes.training import delete, run_quickstart, talk


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A cluster without operators, in the place of the one that most tests share."""
    if (given := lifecycle.given()) and lifecycle.attach(given).run is None:
        pytest.skip("it needs a cluster of ours, and a cluster of yours was given")
    if why := node_programs.unavailable():
        pytest.skip(why)
    with lifecycle.lasting(with_node=True, with_operators=False) as plain:
        yield plain


@pytest.mark.timeout(240)
def test_the_quickstart_trains_as_plain_jobs(cluster: Cluster, kernel: RealKernel, real: ClusterServer) -> None:
    health = real.target()["health"]
    assert (health["ok"], health["kinds"], health["missing"]) == (True, [], [])
    found = run_quickstart(kernel, real)
    jobs = cluster.api.get(f"/apis/batch/v1/namespaces/{real.namespace}/jobs")["items"]
    assert {job["metadata"]["labels"]["submarine.apache.org/experiment-id"] for job in jobs} == {found["experimentId"]}
    delete(real, cluster.api, found["experimentId"])


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("framework", "replicas"), [("TensorFlow", {"ps": 1, "worker": 2}), ("PyTorch", {"master": 1, "worker": 1})]
)
def test_replicas_find_each_other(
    cluster: Cluster, real: ClusterServer, framework: str, replicas: dict[str, int]
) -> None:
    real.ready()
    delete(real, cluster.api, talk(real, framework, replicas))
