"""Each reason why an experiment does not run, or failed, provoked on a cluster and read through the REST API."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import image, node
from tests.cluster.api import Api
from tests.cluster.cluster import Cluster
from tests.kubernetes.annex import Annex
from tests.kubernetes.reasons import CASES, NAMED_IMAGE, PLACES, POLITE, ROOT_IMAGE, TARGETS, Case, image_of, one
from tests.kubernetes.reasons import fake as job
from tests.kubernetes.server import ClusterServer, refused
from tests.targets.kubernetes.situations import POLICY

Json = dict[str, Any]
SECONDS = 150
QUOTAS = "/api/v1/namespaces/{}/resourcequotas"
PODS = "/api/v1/namespaces/{}/pods"
_ID = "submarine.apache.org/experiment-id"


def prepare(cluster: Cluster, server: ClusterServer, annex: Annex, folder: Path) -> dict[str, str]:
    """Make the namespaces and images of all cases, tell the server of them, return the namespaces by place."""
    places = {"real": server.namespace}
    for place, (node_type, before) in PLACES.items():
        places[place] = annex.namespace(node_type, account_in=server.namespace)
        for collection, body in before:
            annex.make(collection, body, places[place])
    node.start_registry(cluster.own())
    layer = image.layer(folder, [image.Entry("tmp")])
    for name, user in ((ROOT_IMAGE, {}), (NAMED_IMAGE, {"User": "app"})):
        node.add_image(cluster.own(), name, [layer], {"Entrypoint": ["/none"], **user})
    for target, options in TARGETS.items():
        server.more_targets[target] = {**server.target_options, "namespaces": [places[target]], **options}
    server.with_options(namespaces=[places[name] for name in places if name not in TARGETS])
    return places


def submit(server: ClusterServer, name: str, namespace: str) -> str:
    """Submit the experiment of a case."""
    case = CASES[name]
    body = {**case.body, "meta": {**case.body["meta"], "name": name, "namespace": namespace}}
    if case.place in TARGETS:
        body["runtime"] = {**body.get("runtime", {}), "target": case.place}
    return server.submit(body)


def act(api: Api, case: Case, namespace: str, experiment_id: str) -> bool:
    """Do to a pod that runs what its case wants; tell whether it is done."""
    path = PODS.format(namespace)
    found = api.get(path, labelSelector=f"{_ID}={experiment_id}", fieldSelector="status.phase=Running")["items"]
    if not found:
        return False
    name = found[0]["metadata"]["name"]
    if case.act == "evict":
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
        api.create(f"{path}/{name}/eviction", eviction)
    else:
        api.delete(f"{path}/{name}")
    return True


def fits(said: Json, case: Case, namespace: str) -> bool:
    """Tell whether an experiment, or an event of it, has the reason and the sentence of a case."""
    return said.get("reason") == case.reason and case.matches(said.get("message") or "", namespace)


def wrong(detail: Json, case: Case, namespace: str) -> str | None:
    """Return what is wrong with what is shown of an experiment, None if it is as its case wants it."""
    if case.passing and any(fits(event, case, namespace) for event in detail["events"]):
        return None
    if not fits(detail, case, namespace):
        replicas = [f"{each['name']}: {each['reason']}: {each['message']}" for each in detail["replicas"]]
        return f"{detail['reason']}: {detail['message']} ({replicas})"
    if case.replica is None:
        return None
    replica = next(item for item in detail["replicas"] if item["name"] == case.replica)
    own = detail["message"].partition("; ")[0]
    if replica["reason"] != case.reason or not (replica["message"] or "").startswith(own):
        return f"{case.replica} has {replica['reason']}: {replica['message']}"
    return None


@pytest.mark.timeout(240)
def test_each_reason_is_told_in_a_sentence(cluster: Cluster, real: ClusterServer, annex: Annex, tmp_path: Path) -> None:
    places = prepare(cluster, real, annex, tmp_path)
    namespaces = {name: places[case.place] for name, case in CASES.items()}
    real.ready()
    with ThreadPoolExecutor(6) as pool:
        ids = dict(zip(CASES, pool.map(lambda name: submit(real, name, namespaces[name]), CASES), strict=True))
    begun = time.monotonic()
    last: dict[str, str | None] = dict.fromkeys(CASES, "")
    to_do = {name for name, case in CASES.items() if case.act}
    while any(text is not None for text in last.values()) and time.monotonic() - begun < SECONDS:
        to_do -= {name for name in to_do if act(cluster.api, CASES[name], namespaces[name], ids[name])}
        for name in [name for name, text in last.items() if text is not None]:
            found = real.get(ids[name])
            last[name] = wrong(found["detail"], CASES[name], namespaces[name])
            if last[name] is None:
                said = f"{found['status']}, {found['detail']['reason']}: {found['detail']['message']}"
                print(f"{time.monotonic() - begun:5.1f} s {name}: {said}")
        time.sleep(0.2)
    missed = [f"{name}: {text}" for name, text in last.items() if text is not None]
    assert not missed, "\n".join(missed)


@pytest.fixture
def lot(cluster: Cluster, real: ClusterServer) -> Iterator[Callable[[int | None], None]]:
    """Say how much the real node has of a resource that nobody else knows."""

    def have(amount: int | None) -> None:
        room = {name: {f"submarine.test/{real.namespace}": amount} for name in ("capacity", "allocatable")}
        cluster.api.patch("/api/v1/nodes/real-0/status", {"status": room})

    yield have
    have(None)


def test_a_reason_goes_when_it_is_no_more(real: ClusterServer, annex: Annex, lot: Callable[[int | None], None]) -> None:
    def submit(**runtime: Any) -> str:
        asked = f"cpu=100m,memory=64M,submarine.test/{real.namespace}=1"
        return real.submit(one(POLITE, framework="Standalone", resources=asked, runtime=runtime))

    real.ready()
    waiting = submit()
    found = real.until(waiting, lambda found: found["detail"]["reason"] == "Unschedulable", "the reason")
    why = f" without submarine.test/{real.namespace}=1 free"
    assert why in found["detail"]["message"]
    assert why in found["detail"]["replicas"][0]["message"]
    lot(1)
    found = real.status(waiting, "Running")
    assert (found["detail"]["reason"], found["detail"]["message"]) == (None, None)
    assert found["detail"]["replicas"][0]["message"] is None
    # What is more important takes its place; what comes next has to wait.
    annex.make("/apis/scheduling.k8s.io/v1/priorityclasses", {"metadata": {"name": real.namespace}, "value": 1000})
    first = submit(priority=real.namespace)
    found = real.status(waiting, "Failed")
    sentence = "worker-0 lost its node real-0 to work of higher priority"
    assert (found["detail"]["reason"], found["detail"]["message"]) == ("Preempted", sentence)
    assert found["detail"]["replicas"][0]["message"] == sentence
    real.status(first, "Running")
    second = submit()
    real.until(second, lambda found: found["detail"]["reason"] == "Unschedulable", "the reason")
    real.result("DELETE", f"/{first}")
    assert real.status(second, "Running")["detail"]["reason"] is None


def test_what_is_refused_at_once_is_the_answer(fake: ClusterServer, annex: Annex) -> None:
    name = fake.namespace
    annex.make(QUOTAS, {"metadata": {"name": "jobs"}, "spec": {"hard": {"count/jobs.batch": "1"}}}, name)
    (policies, policy), binding = POLICY
    own = {"apiGroups": ["kubeflow.org"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["tfjobs"]}
    rules = {"matchConstraints": {"resourceRules": [own]}}
    annex.make(policies, {**policy, "spec": policy["spec"] | rules}, name)
    annex.make(*binding, name)
    fake.ready()
    message, _, kept = refused(fake, one())["message"].partition("; experiment-")
    assert kept.endswith("is kept as Failed")
    wanted = f"rejected by the cluster: the policy '{name}' of the cluster denies it: training is only allowed at night"
    assert message == wanted
    first = fake.submit(job(framework="Standalone"))
    fake.status(first, "Running")
    second = fake.submit(job(framework="Standalone"))
    found = fake.until(second, lambda found: found["detail"]["reason"], "the reason")
    full = "the quota 'jobs' of the namespace is used up (count/jobs.batch: 1 of 1 used, it asks for 1)"
    assert (found["status"], found["detail"]["reason"]) == ("Accepted", "QuotaExceeded")
    assert found["detail"]["message"] == full
    fake.result("DELETE", f"/{first}")
    assert fake.status(second, "Running", seconds=90)["detail"]["reason"] is None


def pods_say(api: Api, namespace: str, experiment_id: str) -> bool:
    """Tell whether the cluster says of a pod why it does not run."""
    for pod in api.get(PODS.format(namespace), labelSelector=f"{_ID}={experiment_id}")["items"]:
        held = [item for item in pod["status"].get("conditions", []) if item["type"] == "PodScheduled"]
        waiting = [item["state"].get("waiting", {}) for item in pod["status"].get("containerStatuses", [])]
        if any(item.get("message") for item in held) or any(item.get("message") for item in waiting):
            return True
    return False


def events_say(api: Api, namespace: str, experiment_id: str) -> bool:
    """Tell whether an event says that a pod cannot be made."""
    events = api.get(f"/api/v1/namespaces/{namespace}/events")["items"]
    return any(item["involvedObject"]["name"] == experiment_id and "Failed" in item["reason"] for item in events)


def test_what_the_cluster_knows_is_told_soon(cluster: Cluster, real: ClusterServer) -> None:
    real.ready()
    for what, body, knows in (
        ("no node", job(resources="cpu=1000"), pods_say),
        ("no image", image_of("submarine.test/none:1"), pods_say),
        ("not made", job(runtime={"serviceAccount": "nobody"}), events_say),
    ):
        experiment_id = real.submit(body)
        known: float | None = None
        told: float | None = None
        deadline = time.monotonic() + 60
        while (known is None or told is None) and time.monotonic() < deadline:
            if known is None and knows(cluster.api, real.namespace, experiment_id):
                known = time.monotonic()
            if told is None and real.get(experiment_id)["detail"]["reason"]:
                told = time.monotonic()
            time.sleep(0.02)
        assert known is not None, f"{what}: the cluster said nothing"
        assert told is not None, f"{what}: nothing was told"
        print(f"{what}: told {told - known:+.2f} s after the cluster knew")
