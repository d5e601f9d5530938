"""The server of the tests: a process of its own, the cluster its default target."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.cluster.api import Api, wait
from tests.live_server import LiveServer

Json = dict[str, Any]


class ClusterServer(LiveServer):
    """A server whose default target is a namespace of a cluster; ``more`` are options for its command line."""

    more: tuple[str, ...] = ()

    def __init__(self, folder: Path, kubeconfig: Path, namespace: str, *, image: str) -> None:
        self.namespace = namespace
        self.target_options: dict[str, object] = {
            "kubeconfig": str(kubeconfig),
            "namespaces": [namespace],
            "image": image,
        }
        self.more_targets: dict[str, dict[str, object]] = {}
        super().__init__(folder)

    def with_options(self, **options: object) -> ClusterServer:
        """Configure more of the target, for the next start."""
        self.target_options |= options
        return self

    def start(self, failpoint: str | None = None) -> None:
        """Start it with the cluster as its default target."""
        self.options = (
            f"--SubmarineExtension.targets={ {'kubernetes': self.target_options, **self.more_targets}!r}",
            "--SubmarineExtension.default_target=kubernetes",
            *self.more,
        )
        super().start(failpoint)

    def ready(self, failpoint: str | None = None) -> ClusterServer:
        """Start it and wait until it knows the cluster."""
        self.start(failpoint)
        assert self.wait_ready(), self.log()
        self.wait_ok(40)
        return self

    def target_is_ok(self) -> bool:
        """Tell whether it can use the cluster."""
        return all(item["health"]["ok"] for item in self.targets())

    def wait_ok(self, seconds: float) -> None:
        """Wait until it can use the cluster again."""
        try:
            wait("the cluster", self.target_is_ok, seconds=seconds)
        except TimeoutError as error:
            raise AssertionError(f"{json.dumps(self.target()['health'], indent=1)}\n{self.log()}") from error

    def target(self) -> Json:
        """Return what it says of the cluster."""
        return next(item for item in self.targets() if item["name"] == "kubernetes")

    def targets(self) -> list[Json]:
        """Return what it says of all its targets on clusters."""
        answer = self.http.get(self.url.replace("/experiment", "/target"))
        answer.raise_for_status()
        return [item for item in answer.json()["result"] if item["kind"] == "kubernetes"]

    def submit(self, spec: Json, **options: Any) -> str:
        """Submit an experiment and return its id."""
        found: str = self.result("POST", json=spec, **options)["experimentId"]
        return found

    def get(self, experiment_id: str) -> Json:
        """Return an experiment with its details."""
        found: Json = self.result("GET", f"/{experiment_id}", params={"view": "full"})
        return found

    def until(self, experiment_id: str, holds: Callable[[Json], Any], what: str, seconds: float = 60) -> Json:
        """Wait until something holds of an experiment; return it."""
        deadline = time.monotonic() + seconds
        while True:
            found = self.get(experiment_id)
            if holds(found):
                return found
            assert time.monotonic() < deadline, f"{what} did not come: {json.dumps(found, indent=1)}\n{self.log()}"
            time.sleep(0.05)

    def status(self, experiment_id: str, status: str, seconds: float = 60) -> Json:
        """Wait for a status."""
        return self.until(experiment_id, lambda found: found["status"] == status, f"status {status}", seconds)

    def lines(self, experiment_id: str) -> dict[str, list[str]]:
        """Return the log of each replica by the name of its pod."""
        answer = self.result("GET", f"/logs/{experiment_id}")
        return {item["podName"]: item["podLog"] for item in answer["logContent"]}


def spec(
    framework: str,
    replicas: Mapping[str, int],
    command: str = "python train.py",
    *,
    name: str = "test",
    resources: str = "cpu=100m,memory=64M",
    runtime: Json | None = None,
    env: dict[str, str] | None = None,
) -> Json:
    """Return an experiment: ``spec("TensorFlow", {"ps": 1, "worker": 2})``."""
    tasks = {role.capitalize(): {"replicas": count, "resources": resources} for role, count in replicas.items()}
    body: Json = {"meta": {"name": name, "framework": framework, "cmd": command, "envVars": env or {}}, "spec": tasks}
    return body | ({"runtime": runtime} if runtime else {})


def refused(server: ClusterServer, body: Json) -> Json:
    """Submit until it is not taken: the cluster learns of Roles and policies by watching. Return the answer."""
    deadline = time.monotonic() + 20
    while True:
        answer = server.http.post(server.url, json=body)
        if answer.status_code == 400:
            found: Json = answer.json()
            return found
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.2)


def left(api: Api, namespace: str, experiment_id: str | None = None) -> list[str]:
    """Return what of ours, or of one experiment, is in a namespace, of the kinds that the cluster knows."""
    of = f",submarine.apache.org/experiment-id={experiment_id}" if experiment_id else ""
    label = {"labelSelector": f"app.kubernetes.io/managed-by=submarine-jupyter{of}"}
    groups = {
        "/api/v1": ("pods", "services", "configmaps", "secrets"),
        "/apis/batch/v1": ("jobs",),
        "/apis/kubeflow.org/v1": ("tfjobs", "pytorchjobs", "xgboostjobs"),
        "/apis/jobset.x-k8s.io/v1alpha2": ("jobsets",),
    }
    return [
        f"{kind}/{item['metadata']['name']}"
        for root, kinds in groups.items()
        if api.http.get(root).status_code != 404
        for kind in kinds
        for item in api.get(f"{root}/namespaces/{namespace}/{kind}", **label)["items"]
    ]
