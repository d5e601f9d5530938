"""Kueue in the cluster is the real one: what waits in a queue starts when there is room, and has a place until then."""

import time

import psutil
import pytest

from tests.cluster import kueue
from tests.cluster.api import Api, Json, holds, wait
from tests.cluster.cluster import Cluster
from tests.cluster.kueue import PLACES, Queues
from tests.cluster.test_cluster import JOBS, indexed_job, pod


def submit(api: Api, namespace: str, name: str, seconds: int = 3600) -> None:
    spec = pod(["true"])
    spec["containers"][0]["env"] = [{"name": "FAKE_SECONDS", "value": str(seconds)}]
    spec["containers"][0]["resources"] = {"requests": {"cpu": "1"}}
    job = indexed_job(name, 1, spec)
    job["metadata"]["labels"] = {"kueue.x-k8s.io/queue-name": "team"}
    api.create(JOBS.format(namespace), job)


def job(api: Api, namespace: str, name: str) -> Json:
    return api.get(f"{JOBS.format(namespace)}/{name}")


def places(api: Api, namespace: str) -> list[str]:
    """Return the names of the jobs that wait, the first first."""
    found = api.get(f"{PLACES}/namespaces/{namespace}/localqueues/team/pendingworkloads")["items"]
    return [item["metadata"]["ownerReferences"][0]["name"] for item in found]


def test_jobs_wait_in_a_queue_and_have_a_place(cluster: Cluster, fake_namespace: str, queues: Queues) -> None:
    api = cluster.api
    queues.make(fake_namespace, cpu="1")
    submit(api, fake_namespace, "first")
    wait("the first", lambda: job(api, fake_namespace, "first")["status"].get("ready"))
    submit(api, fake_namespace, "second", seconds=0)
    wait("the second", lambda: places(api, fake_namespace) == ["second"])
    placed = int(time.time())
    wait("a later time", lambda: int(time.time()) > placed)  # of those of one second any may be first
    submit(api, fake_namespace, "third", seconds=0)
    wait("the third", lambda: places(api, fake_namespace) == ["second", "third"])
    assert job(api, fake_namespace, "second")["spec"]["suspend"]
    api.delete(f"{JOBS.format(fake_namespace)}/first")
    for name in ("second", "third"):
        wait(f"the {name}", lambda name=name: holds(job(api, fake_namespace, name), "Complete"))  # type: ignore[misc]


def test_it_takes_no_ports_but_those_of_its_run(own_cluster: Cluster, queues: Queues) -> None:
    run = own_cluster.own()
    found = psutil.Process(run.processes["kueue"].pid).net_connections("inet")
    taken = {connection.laddr.port for connection in found if connection.status == psutil.CONN_LISTEN}
    assert taken == {run.ports["kueue"], run.ports["kueue-places"]}


def test_nobody_else_meets_kueue(cluster: Cluster, fake_namespace: str, queues: Queues) -> None:
    submit(cluster.api, fake_namespace, "alone", seconds=0)
    wait("the job", lambda: holds(job(cluster.api, fake_namespace, "alone"), "Complete"))


def test_kueue_comes_back_after_a_crash(own_cluster: Cluster, fake_namespace: str, queues: Queues) -> None:
    own_cluster.kill("kueue")
    own_cluster.start("kueue")
    kueue.await_start(own_cluster.own())
    queues.make(fake_namespace, cpu="1")
    submit(own_cluster.api, fake_namespace, "later", seconds=0)
    wait("the job", lambda: holds(job(own_cluster.api, fake_namespace, "later"), "Complete"))


def test_a_start_that_failed_half_way_is_taken_up(own_cluster: Cluster, fake_namespace: str, queues: Queues) -> None:
    run, flavor = own_cluster.own(), f"{kueue.API}/resourceflavors/default"
    own_cluster.api.patch(flavor, {"metadata": {"finalizers": None}})
    own_cluster.api.delete(flavor)
    own_cluster.kill("kueue")
    with pytest.raises(RuntimeError, match="Kueue has ended") as failure:
        kueue.await_start(run)
    assert "--- kueue.log" in failure.value.__notes__[0]
    kueue.begin(own_cluster)
    queues.make(fake_namespace, cpu="1")
    submit(own_cluster.api, fake_namespace, "later", seconds=0)
    wait("the job", lambda: holds(job(own_cluster.api, fake_namespace, "later"), "Complete"))
