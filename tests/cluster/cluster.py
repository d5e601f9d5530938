"""A running cluster, as tests use it: its API server, credentials, parts to break."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

from tests.cluster import build, manifests, node
from tests.cluster.api import Api
from tests.cluster.components import control_plane, launch
from tests.cluster.processes import kill
from tests.cluster.run import Run


class Cluster:
    """A cluster of ours, or with `run` None a user's own, of which only the API server is known."""

    def __init__(self, kubeconfig: Path, run: Run | None) -> None:
        self.kubeconfig = kubeconfig
        self.run = run
        self.api = Api(kubeconfig)

    @property
    def image(self) -> str | None:
        """The image for training in real containers; None if there are no containers or it is not known."""
        if self.run:
            return manifests.TRAINING_IMAGE if self.run.node else None
        return os.environ.get("SUBMARINE_TEST_IMAGE")

    def say(self, *lines: str) -> None:
        """Add lines to the log of every container on a fake node: there is only this one."""
        with self.own().path("fake.log").open("a") as log:
            for line in lines:
                log.write(f"{datetime.now(UTC).isoformat()} stdout F {line}\n")  # as container runtimes write it

    def service_account(self, namespace: str, name: str) -> Path:
        """Return a kubeconfig for a service account, good for an hour."""
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        token = self.api.create(path, request)["status"]["token"]
        target = self.own().path("kubeconfig", f"{namespace}.{name}")
        target.write_text(json.dumps(manifests.kubeconfig(self.own(), token, namespace)))
        return target

    def kill(self, name: str) -> None:
        """End a part ("kube-apiserver", "etcd", "jobset", "kubelet") at once, as a crash would."""
        kill(self.own().processes[name])

    def start(self, name: str) -> None:
        """Start a killed part again, on the same data.

        A restarted API server knows no old resource versions: a watch that resumes from one gets 410 Gone.
        """
        run = self.own()
        if name == "kubelet":
            node.start_kubelet(run, build.programs(run.kubernetes))
            return
        parts = {item.name: item for item in control_plane(run, build.programs(run.kubernetes))}
        launch(run, parts[name])

    def own(self) -> Run:
        """Return the run behind this cluster; `LookupError` for a user's own cluster."""
        if self.run is None:
            raise LookupError(f"{self.kubeconfig} is not a cluster of ours: its parts are not ours to touch")
        return self.run
