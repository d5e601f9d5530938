"""Namespaces for tests."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster import manifests
from tests.cluster.api import wait
from tests.cluster.cluster import Cluster


@contextmanager
def namespaced(cluster: Cluster, node_type: str) -> Iterator[str]:
    """Make a namespace whose pods run on nodes of a type, and delete it in the end."""
    name = f"test-{secrets.token_hex(4)}"
    cluster.api.create("/api/v1/namespaces", manifests.namespace(name, node_type))
    # Pods are refused until the controllers have seen the namespace.
    wait("the service account", lambda: cluster.api.get(f"/api/v1/namespaces/{name}/serviceaccounts/default"))
    yield name
    cluster.api.delete(f"/api/v1/namespaces/{name}")
