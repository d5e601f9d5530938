"""A real Jupyter Server that runs experiments on a real Kubernetes, with no more rights than docs/deploy/role.yaml."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster
from tests.kubernetes.annex import Annex
from tests.kubernetes.server import ClusterServer
from tests.targets.kubernetes.deployed import apply_role


def pytest_configure(config: pytest.Config) -> None:
    """Take in the cluster fixtures, as tests/cluster/conftest.py does."""
    config.pluginmanager.import_plugin("tests.cluster.fixtures")


@pytest.fixture
def fake(cluster: Cluster, fake_namespace: str, tmp_path: Path) -> Iterator[ClusterServer]:
    """A server that is not started yet, whose pods run on fake nodes."""
    yield from _server(cluster, fake_namespace, tmp_path)


@pytest.fixture
def real(cluster: Cluster, real_namespace: str, tmp_path: Path) -> Iterator[ClusterServer]:
    """A server that is not started yet, whose pods are real containers."""
    yield from _server(cluster, real_namespace, tmp_path)


@pytest.fixture
def annex(own_cluster: Cluster) -> Iterator[Annex]:
    """What is made beside the server's namespace is removed after the test, also of the whole cluster."""
    made = Annex(own_cluster)
    yield made
    made.remove()


def _server(cluster: Cluster, namespace: str, folder: Path) -> Iterator[ClusterServer]:
    kubeconfig = apply_role(cluster, namespace)
    made = ClusterServer(folder, kubeconfig, namespace, image=cluster.image or "none.test/none:1")
    yield made
    made.kill()
    made.http.close()
