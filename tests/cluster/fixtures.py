"""The pytest plugin with the cluster fixtures. A conftest.py takes it in as the one beside this file does."""

from collections.abc import Iterator

import pytest

from tests.cluster import build, kueue, lifecycle, node_programs
from tests.cluster.cluster import Cluster
from tests.cluster.kueue import Queues
from tests.cluster.namespaces import namespaced


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build before the first test: minutes on a new machine, which no time-out of a test should count."""
    wanted = any("cluster" in getattr(item, "fixturenames", ()) for item in session.items)
    if wanted and not session.config.option.collectonly and not lifecycle.given():
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        if reporter:
            reporter.write_line("cluster: preparing its programs (minutes, but only once per machine)")
        lifecycle.prepare(build.chosen())


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A real Kubernetes: the user's (`SUBMARINE_TEST_KUBECONFIG`), else one of our own for this session."""
    if kubeconfig := lifecycle.given():
        theirs = lifecycle.attach(kubeconfig)
        yield theirs
        theirs.api.close()
        return
    lifecycle.sweep()
    with lifecycle.lasting(with_node=node_programs.unavailable() is None) as ours:
        yield ours


@pytest.fixture
def own_cluster(cluster: Cluster) -> Cluster:
    """The cluster, if it is ours to break."""
    if cluster.run is None:
        pytest.skip(f"{cluster.kubeconfig} is not a cluster of ours: its parts are not ours to touch")
    return cluster


@pytest.fixture
def fake_namespace(own_cluster: Cluster) -> Iterator[str]:
    """A new namespace, *restricted*, whose pods run on fake nodes."""
    with namespaced(own_cluster, "kwok") as name:
        yield name


@pytest.fixture
def queues(own_cluster: Cluster) -> Iterator[Queues]:
    """Kueue, which the first test that asks for it starts; queues that a test makes are removed."""
    kueue.begin(own_cluster)
    made = Queues(own_cluster)
    yield made
    made.remove()


@pytest.fixture
def real_namespace(cluster: Cluster) -> Iterator[str]:
    """A new namespace, *restricted*, whose pods run as real containers; skipped where there can be none."""
    if cluster.image is None:
        known = "SUBMARINE_TEST_IMAGE names no image with Python and xgboost that the cluster can pull"
        pytest.skip((node_programs.unavailable() or "the cluster was made without") if cluster.run else known)
    with namespaced(cluster, "kubelet") as name:
        yield name
