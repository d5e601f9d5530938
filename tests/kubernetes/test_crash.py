"""SIGKILL of the server at every named place on the way to the cluster: nothing is lost, nothing is made twice."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from submarine_jupyter_server.process import failpoints
from tests.cluster.api import wait
from tests.cluster.cluster import Cluster
from tests.kubernetes.server import ClusterServer, left, spec

NEVER = {"FAKE_EXIT_CODE": "never"}
SUBMIT = [
    "submit_before:kill", "k8s_create_before:kill", "k8s_create_after:kill", "k8s_owned_before:kill",
    "k8s_owned_after:kill", "submit_after:kill", "outbox_done_before:kill", "observation_before:kill",
    "observation_after:kill:2",
]  # fmt: skip
SCALE = ["k8s_patch_before:kill", "k8s_patch_after:kill", "k8s_patch_after:kill:2"]
ENDS = ["k8s_delete_before:kill", "k8s_delete_after:kill"]


def test_every_failpoint_of_the_cluster_is_in_a_list() -> None:
    listed = {point.partition(":")[0] for point in (*SUBMIT, *SCALE, *ENDS)}
    assert set(failpoints.KUBERNETES_NAMES) <= listed


def whatever_happens(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except httpx.TransportError:
        return None


def body(workers: int = 1) -> dict[str, Any]:
    """Return an experiment of plain Jobs: the kind with the most objects."""
    return spec("TensorFlow", {"ps": 1, "worker": workers}, env={**NEVER, "MY_TOKEN": "hidden"})


def dies(server: ClusterServer) -> None:
    assert server.wait_dead(40) == 137, f"the failpoint was not reached\n{server.log()}"


@pytest.fixture
def jobs(fake: ClusterServer) -> ClusterServer:
    return fake.with_options(kinds=["indexed_jobs"])


@pytest.mark.parametrize("point", SUBMIT)
def test_submit(cluster: Cluster, jobs: ClusterServer, point: str) -> None:
    jobs.ready(point)
    headers = {"Idempotency-Key": "once"}
    whatever_happens(lambda: jobs.submit(body(), headers=headers))
    dies(jobs)
    jobs.ready()
    experiment_id = jobs.submit(body(), headers=headers)
    jobs.status(experiment_id, "Running")
    assert [found["experimentId"] for found in jobs.result("GET")] == [experiment_id]
    stem = f"{experiment_id}-{jobs.result('GET', f'/{experiment_id}')['uid'][:8]}"
    expected = {
        f"jobs/{experiment_id}-worker", f"jobs/{experiment_id}-ps", f"services/{stem}",
        f"configmaps/{stem}-cluster-1", f"secrets/{stem}-env-1",
    }  # fmt: skip

    def there() -> set[str]:
        # Behind the uid is a mark that only the server can tell.
        return {re.sub(rf"({stem})-[0-9a-f]{{8}}", r"\1", name) for name in left(cluster.api, jobs.namespace)}

    wait("all objects", lambda: expected <= there())
    assert {item for item in there() if not item.startswith("pods/")} == expected
    assert sum(item.startswith("pods/") for item in left(cluster.api, jobs.namespace)) == 2


@pytest.mark.parametrize("point", SCALE)
def test_scale(cluster: Cluster, jobs: ClusterServer, point: str) -> None:
    jobs.ready(point)
    experiment_id = jobs.submit(body())
    jobs.status(experiment_id, "Running")
    whatever_happens(lambda: jobs.result("PATCH", f"/{experiment_id}", json=body(3)))
    dies(jobs)
    jobs.ready()
    found = jobs.until(
        experiment_id,
        lambda found: sum(item["status"] == "Running" for item in found["detail"]["replicas"]) == 4,
        "four replicas",
    )
    assert found["spec"]["spec"]["Worker"]["replicas"] == 3
    assert found["detail"]["attempt"] == 1


@pytest.mark.parametrize("verb", ["stop", "delete"])
@pytest.mark.parametrize("point", ENDS)
def test_end(cluster: Cluster, jobs: ClusterServer, point: str, verb: str) -> None:
    jobs.ready(point)
    experiment_id = jobs.submit(body())
    jobs.status(experiment_id, "Running")
    method, path = ("DELETE", "") if verb == "delete" else ("POST", "/stop")
    whatever_happens(lambda: jobs.result(method, f"/{experiment_id}{path}"))
    dies(jobs)
    jobs.ready()
    wait("nothing to be left", lambda: left(cluster.api, jobs.namespace) == [], seconds=90)
    if verb == "stop":
        assert jobs.status(experiment_id, "Failed")["detail"]["reason"] == "Stopped"
    else:
        assert jobs.result("GET") == []
