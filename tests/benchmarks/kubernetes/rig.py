"""What the benchmarks share: one cluster, namespaces on it, servers of ours that use them."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.probed import PROBE, ProbedServer
from tests.cluster import lifecycle, manifests
from tests.cluster.api import wait
from tests.cluster.cluster import Cluster
from tests.kubernetes.server import ClusterServer
from tests.targets.kubernetes.deployed import apply_role

IMAGE = "none.test/none:1"


class TargetServer(ClusterServer, ProbedServer):
    """A server on a cluster that tells how its event loop fares."""

    more = (PROBE,)

    @property
    def kubeconfig(self) -> Path:
        """The credentials that it uses."""
        return Path(str(self.target_options["kubeconfig"]))

    @property
    def cpu_s(self) -> float:
        """The processor time it has used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass
class Rig:
    """A cluster to measure on; ``idle_s`` is how long an idle server is watched."""

    cluster: Cluster
    idle_s: float
    namespaces: list[str] = field(default_factory=list)
    pods: tuple[str, int] | None = None

    def namespace(self) -> tuple[str, Path]:
        """Make a namespace on fake nodes; return it and a kubeconfig with the rights of docs/deploy/role.yaml.

        It stays until the end: to remove what is in it would take the processor from the next benchmark.
        """
        name = f"bench-{secrets.token_hex(4)}"
        self.cluster.api.create("/api/v1/namespaces", manifests.namespace(name, "kwok"))
        self.namespaces.append(name)
        account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
        wait("the service account", lambda: self.cluster.api.get(account))
        return name, apply_role(self.cluster, name)

    @contextmanager
    def server(self, namespace: str, kubeconfig: Path, **options: object) -> Iterator[TargetServer]:
        """Start a server on a namespace; it ends, and its files go, with the block."""
        with tempfile.TemporaryDirectory(prefix="submarine-bench-") as folder:
            server = TargetServer(Path(folder), kubeconfig, namespace, image=IMAGE)
            try:
                server.with_options(**options).ready()
                server.loop()
                yield server
            finally:
                server.kill()
                server.http.close()

    def silence(self) -> None:
        """Begin the log that all containers share anew, with one line; nobody may follow it.

        KWOK does not answer before there is a line, and the API server gives up waiting for that.
        """
        self.cluster.own().path("fake.log").write_text("")
        self.cluster.say("begun")


@contextmanager
def rig(idle_s: float) -> Iterator[Rig]:
    """Bring up a cluster of fake nodes, or take the one that is given, and leave nothing behind."""
    if given := lifecycle.given():
        found = Rig(lifecycle.attach(given), idle_s)
        found.silence()
        try:
            yield found
        finally:
            for name in found.namespaces:
                found.cluster.api.delete(f"/api/v1/namespaces/{name}")
            found.cluster.api.close()
        return
    lifecycle.sweep()
    with lifecycle.lasting(with_node=False) as cluster:
        found = Rig(cluster, idle_s)
        found.silence()
        yield found
