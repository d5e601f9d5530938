"""Each reason why an experiment does not run, or failed, provoked on a cluster and read through the REST API."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import image, node
from tests.cluster.api import Api, ApiError, wait
from tests.cluster.cluster import Cluster
from tests.kubernetes.annex import Annex
from tests.kubernetes.reasons import CASES, NAMED_IMAGE, NEVER, PLACES, ROOT_IMAGE, TARGETS, Case, one
from tests.kubernetes.server import ClusterServer

Json = dict[str, Any]
SECONDS = 90


def prepare(cluster: Cluster, server: ClusterServer, annex: Annex, folder: Path) -> dict[str, str]:
    """Make the namespaces and images of all cases, tell the server of them, return the namespaces by place."""
    places = {"real": server.namespace}
    for place, (node_type, before) in PLACES.items():
        places[place] = annex.namespace(node_type, account_in=server.namespace)
        for collection, body in before:
            annex.make(collection, body, places[place])
    layer = image.layer(folder / "layer", [image.Entry("tmp")])
    for name, config in ((ROOT_IMAGE, {}), (NAMED_IMAGE, {"User": "app"})):
        node.add_image(cluster.own(), name, [layer], {"Entrypoint": ["/none"], **config})
    for target, options in TARGETS.items():
        server.more_targets[target] = {**server.target_options, "namespaces": [places[target]], **options}
    server.with_options(namespaces=[places[name] for name in places if name not in TARGETS])
    return places


def act(api: Api, case: Case, namespace: str, experiment_id: str) -> bool:
    """Do to a pod that runs what its case wants; tell whether it is done."""
    path = f"/api/v1/namespaces/{namespace}/pods"
    label = {
        "labelSelector": f"submarine.apache.org/experiment-id={experiment_id}",
        "fieldSelector": "status.phase=Running",
    }
    for pod in api.get(path, **label)["items"]:
        name = pod["metadata"]["name"]
        if case.act == "evict":
            api.create(
                f"{path}/{name}/eviction", {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
            )
        else:
            api.delete(f"{path}/{name}")
        return True
    return False


def wrong(found: Json, case: Case, namespace: str) -> str | None:
    """Return what is wrong with what is shown of an experiment, None if it is as its case wants it."""
    detail = found["detail"]
    if detail["reason"] != case.reason or not case.matches(detail["message"] or "", namespace):
        return f"{detail['reason']}: {detail['message']}"
    if case.replica is None:
        return None
    replica = next(item for item in detail["replicas"] if item["name"] == case.replica)
    own = detail["message"].partition("; and ")[0].split("; it was started")[0].split("; last lines")[0]
    if replica["reason"] != case.reason or not (replica["message"] or "").startswith(own):
        return f"{case.replica} has {replica['reason']}: {replica['message']}"
    return None


@pytest.mark.timeout(240)
def test_each_reason_is_told_in_a_sentence(cluster: Cluster, real: ClusterServer, annex: Annex, tmp_path: Path) -> None:
    places = prepare(cluster, real, annex, tmp_path)
    real.ready()
    begun = time.monotonic()
    ids = {}
    for name, case in CASES.items():
        body = {**case.body, "meta": {**case.body["meta"], "name": name}}
        if case.place in TARGETS:
            body["runtime"] = {**body.get("runtime", {}), "target": case.place}
        body["meta"]["namespace"] = places[case.place]
        ids[name] = real.submit(body)
    open_, acted, last = set(CASES), set(), {}
    while open_ and time.monotonic() - begun < SECONDS:
        for name in sorted(open_):
            case = CASES[name]
            if case.act and name not in acted and act(cluster.api, case, places[case.place], ids[name]):
                acted.add(name)
            found = real.get(ids[name])
            last[name] = wrong(found, case, places[case.place])
            if last[name] is None:
                open_.discard(name)
                print(
                    f"{time.monotonic() - begun:5.1f} s {name}: {found['status']} {found['detail']['reason']}: {found['detail']['message']}"
                )
        time.sleep(0.2)
    assert not open_, "\n".join(f"{name}: {last[name]}" for name in sorted(open_))
