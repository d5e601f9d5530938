"""A real Jupyter Server that runs experiments on a real Kubernetes, with no more rights than docs/deploy/role.yaml."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from submarine_jupyter_server.targets.kubernetes.manifests import KINDS
from tests.cluster.cluster import Cluster
from tests.cluster.namespaces import namespaced
from tests.kernel.real_kernel import RealKernel
from tests.kubernetes.annex import Annex
from tests.kubernetes.proxy import Proxy
from tests.kubernetes.server import ClusterServer
from tests.live_server import TOKEN
from tests.targets.kubernetes.deployed import apply_role


def pytest_configure(config: pytest.Config) -> None:
    """Take in the cluster fixtures, as tests/cluster/conftest.py does."""
    config.pluginmanager.import_plugin("tests.cluster.fixtures")


@pytest.fixture
def fake(cluster: Cluster, fake_namespace: str, tmp_path: Path) -> Iterator[ClusterServer]:
    """A server that is not started yet, whose pods run on fake nodes."""
    yield from _server(cluster, fake_namespace, tmp_path)


@pytest.fixture
def kinds(server_of_kinds: ClusterServer) -> Iterator[ClusterServer]:
    """A server that runs, with a target for each kind, on fake nodes; what a test leaves is deleted."""
    yield server_of_kinds
    for found in server_of_kinds.result("GET"):
        server_of_kinds.result("DELETE", f"/{found['experimentId']}")


@pytest.fixture(scope="module")
def server_of_kinds(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterServer]:
    """The server that several tests share."""
    if cluster.run is None:
        pytest.skip("it needs fake nodes")
    with namespaced(cluster, "kwok") as namespace:
        for made in _server(cluster, namespace, tmp_path_factory.mktemp("kinds")):
            made.more_targets = {
                kind.replace("_", "-"): {**made.target_options, "kinds": [kind]} for kind in sorted(KINDS)
            }
            yield made.ready()


@pytest.fixture
def real(cluster: Cluster, real_namespace: str, tmp_path: Path) -> Iterator[ClusterServer]:
    """A server that is not started yet, whose pods are real containers."""
    yield from _server(cluster, real_namespace, tmp_path)


@pytest.fixture
def kernel(real: ClusterServer, tmp_path: Path) -> Iterator[RealKernel]:
    """A kernel whose magics know a server that runs."""
    real.ready()
    folder = tmp_path / "kernel"
    folder.mkdir()
    made = RealKernel(folder, {"SUBMARINE_URL": real.url.removesuffix("api/v1/experiment"), "SUBMARINE_TOKEN": TOKEN})
    yield made
    made.close()


@pytest.fixture
def proxy(fake: ClusterServer, tmp_path: Path) -> Iterator[Proxy]:
    """A proxy between the server and the cluster."""
    made = Proxy(Path(str(fake.target_options["kubeconfig"])), tmp_path)
    fake.with_options(kubeconfig=str(made.kubeconfig))
    yield made
    fake.kill()
    made.close()


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
