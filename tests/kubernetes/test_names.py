"""What somebody has put where ours would be is neither used by an experiment nor harmed for it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from tests.cluster.api import Api
from tests.cluster.cluster import Cluster
from tests.kubernetes.server import ClusterServer, spec
from tests.kubernetes.things import COLLECTIONS, Thing, everything

EVIL: dict[str, dict[str, Any]] = {
    "secrets": {"stringData": {"MY_TOKEN": "evil"}},
    "configmaps": {"data": {"file-0": "import evil", "SUBMARINE_TF_CLUSTER": "evil"}},
    "services": {"spec": {"clusterIP": "None", "ports": [{"port": 1}], "selector": {"app": "evil"}}},
}


def body(command: str = "python train.py") -> dict[str, Any]:
    """Return an experiment that has all that belongs to one: a Secret, code, addresses, a Service."""
    env = {"FAKE_EXIT_CODE": "never", "MY_TOKEN": "hidden"}
    code = {"syncMode": "inline", "files": {"train.py": "print()"}}
    return spec("TensorFlow", {"ps": 1, "worker": 1}, command, env=env) | {"code": code}


def plant(api: Api, namespace: str, names: Iterable[tuple[str, str]]) -> dict[str, Thing]:
    """Make objects of somebody else: each name, of each kind."""
    found = {}
    for plural, name in names:
        path = f"{COLLECTIONS[plural]}/namespaces/{namespace}/{plural}"
        made = Thing(plural, api.create(path, {"metadata": {"name": name}, **EVIL[plural]}))
        found[made.uid] = made
    return found


def used(api: Api, namespace: str, experiment_id: str) -> set[str]:
    """Return the uids of what the pods of an experiment name: Secrets, ConfigMaps, Services."""
    things = everything(api, namespace)
    pods = [thing.raw["spec"] for thing in things.values() if thing.plural == "pods" and thing.id == experiment_id]
    text = json.dumps(pods)
    services = {pod.get("subdomain") for pod in pods}
    named = [
        thing for thing in things.values() if thing.plural in ("secrets", "configmaps") and f'"{thing.name}"' in text
    ]
    named += [thing for thing in things.values() if thing.plural == "services" and thing.name in services]
    return {thing.uid for thing in named}


@pytest.mark.timeout(240)
def test_names_that_are_taken(cluster: Cluster, fake: ClusterServer) -> None:
    server, api = fake.with_options(kinds=["indexed_jobs"], log_collection="on-demand").ready(), cluster.api
    first = server.submit(body())
    server.status(first, "Running")
    prefix, _, number = first.rpartition("-")
    following = f"{prefix}-{int(number) + 1:04}"
    belongings = [thing for thing in everything(api, server.namespace).values() if thing.plural in EVIL]
    guessed = [(thing.plural, thing.name.replace(first, following)) for thing in belongings]
    short = [("secrets", f"{following}-env-1"), ("configmaps", f"{following}-code-1"), ("services", following)]
    planted = plant(api, server.namespace, [*guessed, *short])
    assert server.submit(body()) == following
    server.status(following, "Running")
    assert used(api, server.namespace, following) & planted.keys() == set()
    # Whoever has read the names of the first attempt plants those of the second as well as they can be guessed.
    later = [(thing.plural, thing.name[:-1] + "2") for thing in belongings if thing.name.endswith("-1")]
    assert {plural for plural, _ in later} == {"secrets", "configmaps"}
    planted |= plant(api, server.namespace, later)
    answer = server.http.patch(f"{server.url}/{first}", json=body("python other.py"))
    assert answer.status_code == 200, answer.text
    server.until(
        first, lambda found: found["detail"]["attempt"] == 2 and found["status"] == "Running", "the second attempt"
    )
    assert used(api, server.namespace, first) & planted.keys() == set()
    assert server.get(following)["status"] == "Running"
    left = everything(api, server.namespace)
    for uid, thing in planted.items():
        assert left[uid].meta["resourceVersion"] == thing.meta["resourceVersion"], thing.name
