"""Namespaces beside the one of a server, in which the same service account has the same rights."""

from __future__ import annotations

import json
import secrets
from contextlib import suppress
from typing import Any

from tests.cluster import manifests
from tests.cluster.api import ApiError, wait
from tests.cluster.cluster import Cluster
from tests.targets.kubernetes.deployed import apply_role

Json = dict[str, Any]


class Annex:
    """Makes what a test needs beside the namespace of its server, and removes it."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._paths: list[str] = []

    def namespace(self, node_type: str, *, account_in: str | None = None) -> str:
        """Make a namespace whose pods go to nodes of one type; the server of ``account_in`` may use it."""
        name = f"test-{secrets.token_hex(4)}"
        self.make("/api/v1/namespaces", manifests.namespace(name, node_type))
        account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
        wait("the service account", lambda: self._cluster.api.get(account))
        if account_in:
            apply_role(self._cluster, name, account_in=account_in)
        return name

    def make(self, collection: str, body: Json, name: str = "") -> None:
        """Make an object; ``name`` is put for each ``{}``."""
        path = collection.format(name)
        made = self._cluster.api.create(path, json.loads(json.dumps(body).replace('"{}"', f'"{name}"')))
        self._paths.append(f"{path}/{made['metadata']['name']}")

    def remove(self) -> None:
        """Remove everything, the last first."""
        for path in reversed(self._paths):
            with suppress(ApiError):
                self._cluster.api.delete(path)
