"""What goes wrong between us and a real cluster: nothing is lost or doubled, nothing false is told, all recovers."""

from __future__ import annotations

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from submarine_jupyter_server.targets.kubernetes.manifests.recognition.seal import SEAL
from tests.cluster.api import Api, wait
from tests.cluster.cluster import Cluster
from tests.kubernetes.proxy import AFTER, STALL, Answer, Proxy, Request
from tests.kubernetes.server import ClusterServer, spec

TFJOBS = "/apis/kubeflow.org/v1/namespaces/{}/tfjobs"
NEVER = {"FAKE_EXIT_CODE": "never"}


def tf_job() -> dict[str, object]:
    return spec("TensorFlow", {"worker": 1}, env=NEVER)


def of(status: int, reason: str, message: str = "no") -> Answer:
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message}
    return Answer(status, json.dumps(body | {"code": status}), {"Content-Type": "application/json"})


def names(api: Api, namespace: str) -> list[str]:
    return [item["metadata"]["name"] for item in api.get(TFJOBS.format(namespace))["items"]]


def test_an_answer_lost_after_the_fact_doubles_nothing(cluster: Cluster, fake: ClusterServer, proxy: Proxy) -> None:
    tries, lost = 200, list[Request]()

    def rule(request: Request) -> str | None:
        if request.method != "POST" or not request.path.endswith("/tfjobs") or len(lost) >= tries:
            return None
        lost.append(request)
        return AFTER

    proxy.rule = rule
    # Each log that KWOK streams takes one of the 128 inotify instances that a user has by default.
    fake.with_options(log_collection="on-demand").ready()
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda _: fake.submit(tf_job()), range(tries)))
    proxy.rule = lambda request: None
    for experiment_id in ids:
        fake.status(experiment_id, "Running", seconds=100)
    assert len(set(ids)) == tries
    assert sorted(names(cluster.api, fake.namespace)) == sorted(ids)
    assert len(lost) == tries


@pytest.mark.timeout(300)
def test_an_outage_of_the_control_plane_is_no_failure(own_cluster: Cluster, fake: ClusterServer) -> None:
    fake.ready()
    ids = [fake.submit(tf_job()) for _ in range(5)]
    for experiment_id in ids:
        fake.status(experiment_id, "Running")
    parts = ("kube-apiserver", "etcd")
    for part in parts:
        own_cluster.kill(part)
    try:
        time.sleep(30)
        waiting = fake.submit(tf_job())
        assert fake.get(waiting)["status"] == "Accepted"
        assert {fake.get(experiment_id)["status"] for experiment_id in ids} == {"Running"}
        assert fake.target()["health"]["ok"] is False
    finally:
        for part in reversed(parts):
            own_cluster.start(part)
    wait("the API server", lambda: own_cluster.api.text("/readyz") == "ok")
    back = time.monotonic()
    fake.wait_ok(90)
    print(f"streams whole again {time.monotonic() - back:.1f} s after the API server was ready")
    # Those who are to make the pod have backed off for up to a minute each; begun anew they look at once.
    for part in ("kube-controller-manager", "kube-scheduler", "training-operator"):
        own_cluster.kill(part)
        own_cluster.start(part)
    fake.status(waiting, "Running", seconds=90)
    print(f"what waited runs {time.monotonic() - back:.1f} s after")
    own_cluster.api.delete(f"{TFJOBS.format(fake.namespace)}/{ids[0]}")
    fake.status(ids[0], "Failed", seconds=90)
    assert {fake.get(experiment_id)["status"] for experiment_id in ids[1:]} == {"Running"}


def test_a_black_hole_is_noticed(fake: ClusterServer, proxy: Proxy) -> None:
    fake.ready()
    experiment_id = fake.submit(tf_job())
    fake.status(experiment_id, "Running")
    proxy.frozen, proxy.rule = True, lambda request: STALL
    begin = time.monotonic()
    wait("the trouble", lambda: not fake.target_is_ok(), seconds=100)
    print(f"noticed after {time.monotonic() - begin:.1f} s")
    assert fake.get(experiment_id)["status"] == "Running"
    proxy.frozen, proxy.rule = False, lambda request: None
    fake.wait_ok(100)
    fake.status(fake.submit(tf_job()), "Running", seconds=90)


def test_refused_streams_are_asked_for_seldom_and_recover(fake: ClusterServer, proxy: Proxy) -> None:
    refusals = {"pods": of(500, "InternalError"), "tfjobs": of(401, "Unauthorized"), "jobs": of(403, "Forbidden")}
    fake.ready()
    experiment_id = fake.submit(tf_job())
    fake.status(experiment_id, "Running")
    begin = time.monotonic()
    proxy.rule = lambda request: refusals.get(request.path.rpartition("/")[2]) if request.method == "GET" else None
    proxy.cut_streams()
    time.sleep(60)
    asked = Counter(request.path.rpartition("/")[2] for request in proxy.since(begin) if request.method == "GET")
    print(f"requests in 60 s: {dict(asked)}")
    for resource in refusals:
        assert 1 <= asked[resource] <= 15, asked
    assert fake.get(experiment_id)["status"] == "Running"
    proxy.rule = lambda request: None
    fake.wait_ok(90)
    fake.status(fake.submit(tf_job()), "Running", seconds=90)


def test_expired_versions_are_read_anew_without_a_storm(fake: ClusterServer, proxy: Proxy) -> None:
    gone = json.dumps({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}) + "\n"
    fake.ready()
    experiment_id = fake.submit(tf_job())
    fake.status(experiment_id, "Running")
    begin = time.monotonic()
    proxy.rule = lambda request: (
        Answer(200, gone) if request.watches and "sendInitialEvents" not in request.query else None
    )
    for _ in range(5):
        proxy.cut_streams()
        time.sleep(2)
    proxy.rule = lambda request: None
    asked = len(proxy.since(begin))
    fake.wait_ok(90)
    assert asked < 150, asked
    fake.status(fake.submit(tf_job()), "Running", seconds=90)
    assert fake.get(experiment_id)["status"] == "Running"


@pytest.mark.parametrize("down", [False, True])
def test_a_record_that_cannot_be_read_is_written_again(cluster: Cluster, fake: ClusterServer, down: bool) -> None:
    fake.ready()
    poisoned, other = fake.submit(tf_job()), fake.submit(tf_job())
    for experiment_id in (poisoned, other):
        fake.status(experiment_id, "Running")
    notes = {"submarine.apache.org/attempt": "many", "submarine.apache.org/spec": "nonsense"}
    path = f"{TFJOBS.format(fake.namespace)}/{poisoned}"

    def record() -> dict[str, str]:
        found: dict[str, str] = cluster.api.get(path)["metadata"]["annotations"]
        return found

    wait("the record", lambda: SEAL in record())
    before = record()
    if down:
        fake.kill()
    cluster.api.patch(path, {"metadata": {"annotations": notes}})
    if down:
        fake.ready()
    wait("the record to be written again", lambda: record() == before)
    fake.status(fake.submit(tf_job()), "Running")
    assert {fake.get(experiment_id)["status"] for experiment_id in (poisoned, other)} == {"Running"}
    cluster.api.delete(f"{TFJOBS.format(fake.namespace)}/{other}")
    assert fake.status(other, "Failed")["detail"]["reason"] == "ExternallyDeleted"
    assert fake.get(poisoned)["status"] == "Running"


def test_a_used_up_quota_lets_it_wait(cluster: Cluster, fake: ClusterServer) -> None:
    quota = {"metadata": {"name": "jobs"}, "spec": {"hard": {"count/tfjobs.kubeflow.org": "1"}}}
    path = f"/api/v1/namespaces/{fake.namespace}/resourcequotas"
    cluster.api.create(path, quota)
    wait("the quota", lambda: cluster.api.get(f"{path}/jobs").get("status", {}).get("used"))
    fake.ready()
    first, second = fake.submit(tf_job()), fake.submit(tf_job())
    fake.status(first, "Running")
    found = fake.until(second, lambda found: found["detail"]["reason"] == "QuotaExceeded", "the reason")
    assert found["status"] == "Accepted"
    assert "count/tfjobs.kubeflow.org" in found["detail"]["message"]
    fake.result("DELETE", f"/{first}")
    fake.status(second, "Running", seconds=100)
