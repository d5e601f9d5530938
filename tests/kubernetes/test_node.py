"""Nodes that are lost, and ends that wait for somebody else: what people read then."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.cluster.api import Api, wait
from tests.cluster.cluster import Cluster
from tests.kubernetes.server import ClusterServer, left, spec

NEVER = {"FAKE_EXIT_CODE": "never"}
STUCK = "example.com/stuck"


def body(workers: int) -> dict[str, Any]:
    """Return an experiment of plain Jobs that runs until it is stopped."""
    return spec("Standalone", {"worker": workers}, env=NEVER, runtime={"target": "indexed-jobs"})


def pods(api: Api, server: ClusterServer, experiment_id: str) -> list[str]:
    """Return the paths of an experiment's pods."""
    root = f"/api/v1/namespaces/{server.namespace}"
    return [f"{root}/{name}" for name in left(api, server.namespace, experiment_id) if name.startswith("pods/")]


def report(api: Api, path: str, *, ready: bool) -> None:
    """Set the condition of a pod as the controller of nodes does when its node is lost, and a kubelet that returns."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    ours = {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": now}
    how = {"Content-Type": "application/strategic-merge-patch+json"}
    api.http.patch(f"{path}/status", json={"status": {"conditions": [ours]}}, headers=how).raise_for_status()


@contextmanager
def held(api: Api, paths: list[str]) -> Iterator[None]:
    """Put a finalizer of another program on objects, and take it away in the end."""
    for path in paths:
        names = api.get(path)["metadata"].get("finalizers", [])
        api.patch(path, {"metadata": {"finalizers": [*names, STUCK]}})
    try:
        yield
    finally:
        for path in paths:
            api.patch(path, {"metadata": {"finalizers": None}})


def test_a_lost_node_is_reported_until_it_is_back(cluster: Cluster, kinds: ClusterServer) -> None:
    experiment_id = kinds.submit(body(2))
    kinds.until(experiment_id, lambda found: _running(found) == 2, "two replicas")
    [path] = [path for path in pods(cluster.api, kinds, experiment_id) if "worker-1" in path]
    report(cluster.api, path, ready=False)
    found = kinds.until(experiment_id, lambda found: found["detail"]["reason"] == "NodeNotReady", "its reason")
    node = found["detail"]["replicas"][1]["node"]
    sentence = f"worker-1 may still run: its node {node} has not been ready since {time.strftime('%Y', time.gmtime())}-"
    assert found["detail"]["message"].startswith(sentence)
    assert found["status"] == "Running"
    assert [replica["reason"] for replica in found["detail"]["replicas"]] == [None, "NodeNotReady"]
    report(cluster.api, path, ready=True)
    found = kinds.until(experiment_id, lambda found: found["detail"]["reason"] is None, "nothing to report")
    assert _running(found) == 2


def test_a_stop_names_the_finalizer_it_waits_for_and_ends_with_its_replicas(
    cluster: Cluster, kinds: ClusterServer
) -> None:
    experiment_id = kinds.submit(body(1))
    kinds.status(experiment_id, "Running")
    job = f"/apis/batch/v1/namespaces/{kinds.namespace}/jobs/{experiment_id}-worker"
    with held(cluster.api, [job]):
        kinds.result("POST", f"/{experiment_id}/stop")
        found = kinds.status(experiment_id, "Failed", seconds=40)
        waits = f"the Job {experiment_id}-worker waits for finalizer {STUCK}, which another program has to remove"
        assert (found["detail"]["reason"], found["detail"]["message"]) == ("Stopped", f"it was stopped; {waits}")
    wait("nothing to be left", lambda: left(cluster.api, kinds.namespace, experiment_id) == [], seconds=30)


def test_a_pod_that_somebody_holds_is_named_while_it_is_stopped(cluster: Cluster, kinds: ClusterServer) -> None:
    experiment_id = kinds.submit(body(1))
    kinds.status(experiment_id, "Running")
    with held(cluster.api, pods(cluster.api, kinds, experiment_id)):
        kinds.result("POST", f"/{experiment_id}/stop")
        found = kinds.until(experiment_id, lambda found: STUCK in (found["detail"]["message"] or ""), "its finalizer")
        assert (found["status"], found["detail"]["reason"]) == ("Running", "Stopping"), found
        assert f"the pod {experiment_id}-worker-0-" in found["detail"]["message"], found
    assert kinds.status(experiment_id, "Failed")["detail"]["message"] == "it was stopped"


def _running(found: dict[str, Any]) -> int:
    return sum(replica["status"] == "Running" for replica in found["detail"]["replicas"])
