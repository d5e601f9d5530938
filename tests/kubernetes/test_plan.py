"""What a dry run says of a start on a real control plane, and what then happens."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.cluster.api import wait
from tests.cluster.cluster import Cluster
from tests.cluster.kueue import Queues
from tests.kubernetes.server import ClusterServer, spec
from tests.targets.kubernetes.deployed import DEPLOY, collection, documents

Json = dict[str, Any]
GPUS = 8  # of each fake node


@pytest.fixture
def grant(cluster: Cluster, fake_namespace: str) -> Iterator[Callable[[], None]]:
    """Apply the optional ClusterRole when it is called, under a name of the test's own."""
    name = f"submarine-test-{secrets.token_hex(4)}"
    text = (DEPLOY / "capacity-clusterrole.yaml").read_text().replace("submarine-jupyter-capacity", name)
    items = documents(text, fake_namespace)

    def apply() -> None:
        for item in items:
            cluster.api.create(collection(item), item)

    yield apply
    for item in items:
        cluster.api.delete(f"{collection(item)}/{item['metadata']['name']}")


@pytest.fixture
def server(fake: ClusterServer) -> Iterator[ClusterServer]:
    """A server that runs; what a test leaves is deleted."""
    # A log of KWOK goes on after its pod: to keep it would take until the target stops waiting for its end.
    yield fake.with_options(log_collection="on-demand").ready()
    for found in fake.result("GET"):
        fake.result("DELETE", f"/{found['experimentId']}")


def body(cpu: int = 1, *, gpu: int = 0, replicas: int = 1, queue: str | None = None) -> Json:
    resources = f"cpu={cpu},memory=64M{f',nvidia.com/gpu={gpu}' if gpu else ''}"
    runtime = {"queue": queue} if queue else None
    never = {"FAKE_EXIT_CODE": "never"}
    return spec("Standalone", {"worker": replicas}, resources=resources, runtime=runtime, env=never)


def plan(server: ClusterServer, wanted: Json) -> Json:
    answer = server.http.post(server.url, json=wanted, params={"dryRun": "true"})
    answer.raise_for_status()
    found: Json = answer.json()["attributes"]["plan"]
    return found


def planned(server: ClusterServer, wanted: Json, verdict: str, why: str) -> Json:
    """Wait until this is said: what runs is counted anew every two seconds."""
    found: list[Json] = []

    def says() -> bool:
        found[:] = [plan(server, wanted)]
        return (found[0]["verdict"], found[0]["why"]) == (verdict, why)

    try:
        wait("what is said", says, seconds=30)
    except TimeoutError as error:
        raise AssertionError(f"{found[0]} is not {verdict}: {why}") from error
    return found[0]


def waits(server: ClusterServer, experiment_id: str, reason: str) -> Json:
    found = server.until(experiment_id, lambda found: found["detail"]["reason"] == reason, reason)
    detail: Json = found["detail"]
    assert detail["plan"]["why"] == detail["message"]
    return dict(detail["plan"])


@pytest.mark.timeout(240)
def test_what_quotas_and_nodes_have_room_for(
    cluster: Cluster, server: ClusterServer, grant: Callable[[], None]
) -> None:
    unknown = "what is free on the nodes is not known: this server may not list nodes of the whole cluster"
    assert plan(server, body()) == {
        "verdict": None, "why": f"{unknown} (docs/deploy/capacity-clusterrole.yaml)", "ahead": None,
    }  # fmt: skip
    grant()
    planned(server, body(), "now", "the nodes have room for it")
    server.status(server.submit(body()), "Running")
    # More than any node has; half of what each has, on each; and then what is too much for now.
    asks = "a Worker asks for cpu=2000,memory=64M, and no node of the cluster has so much"
    assert planned(server, body(2000), "never", f"{asks}; with cpu=64 it would start now")["fits"] == "cpu=64"
    takers = [server.submit(body(gpu=GPUS - 2)) for _ in range(_nodes(cluster))]
    for taker in takers:
        server.status(taker, "Running")
    less = "with nvidia.com/gpu=2 it would start now"
    planned(server, body(gpu=GPUS), "waits", f"no node has cpu=1,memory=64M,nvidia.com/gpu=8 free; {less}")
    two = "nvidia.com/gpu=2"
    pair = body(gpu=2, replicas=len(takers) + 1)
    several = f"the nodes have room for {len(takers)} of {len(takers) + 1} Workers with cpu=1,memory=64M,{two}"
    planned(server, pair, "waits", f"{several}; with nvidia.com/gpu=1 for each replica it would start now")
    late = server.submit(body(gpu=GPUS))
    found = waits(server, late, "Unschedulable")
    assert (found["verdict"], found["place"], found["ahead"]) == ("waits", None, None)
    server.result("DELETE", f"/{takers.pop()}")
    assert "plan" not in server.status(late, "Running")["detail"]
    server.status(server.submit(body(gpu=2)), "Running")
    # A quota of the namespace: what it has left, and what it never has.
    quotas = f"/api/v1/namespaces/{server.namespace}/resourcequotas"
    used = len(takers) + 3  # of one core each
    hard = {"requests.cpu": str(used + 2), "requests.memory": "1Gi"}
    cluster.api.create(quotas, {"metadata": {"name": "small"}, "spec": {"hard": hard}})
    wait("the quota", lambda: cluster.api.get(f"{quotas}/small").get("status", {}).get("used", {}).get("requests.cpu"))
    over = f"the quota 'small' of the namespace is used up (requests.cpu: {used} of {used + 2} used, it asks for 4)"
    found = planned(server, body(4), "waits", f"{over}; with cpu=2 it would start now")
    server.status(server.submit(body(2)), "Running")
    never = f"it asks for more than the quota 'small' of the namespace has (requests.cpu: {used + 3} of {used + 2})"
    assert planned(server, body(used + 3), "never", never)["ahead"] is None


def _nodes(cluster: Cluster) -> int:
    return sum(node["metadata"]["labels"].get("type") == "kwok" for node in cluster.api.get("/api/v1/nodes")["items"])


@pytest.mark.timeout(240)
def test_what_a_queue_of_kueue_has_room_for(server: ClusterServer, queues: Queues, grant: Callable[[], None]) -> None:
    queues.make(server.namespace, "team", cpu="3", memory="1Gi")
    found = plan(server, body(queue="team"))
    assert found["verdict"] is None
    assert found["why"].startswith("whether the queue 'team' has room is not known: this server may not get clusterq")
    grant()
    planned(server, body(queue="team"), "now", "the queue 'team' has quota for it")
    planned(server, body(queue="none"), "never", "there is no queue 'none' in this namespace")
    less = "with cpu=2 it would start now"
    never = f"it asks for 4 cpu, and the queue 'team' never has more than 3; {less}"
    assert planned(server, body(4, queue="team"), "never", never)["fits"] == "cpu=2"
    none = "it asks for nvidia.com/gpu, and the queue 'team' has none at all"
    planned(server, body(gpu=1, queue="team"), "never", none)
    first = server.submit(body(2, queue="team"))
    server.status(first, "Running")
    more = "it waits in the queue 'team': 1 cpu more has to become free; with cpu=1 it would start now"
    found = planned(server, body(2, queue="team"), "waits", more)
    assert (found["ahead"], found["fits"]) == ({"count": 0, "experimentIds": []}, "cpu=1")
    waiting = []
    for number in range(2):
        waiting.append(server.submit(body(2, queue="team")))
        found = server.until(waiting[-1], lambda found: (found["detail"].get("plan") or {}).get("place"), "its place")
        shown = found["detail"]["plan"]
        assert shown["since"] == found["acceptedTime"]
        assert (shown["verdict"], shown["place"]) == ("waits", number + 1)
        assert shown["ahead"] == {"count": number, "experimentIds": waiting[:number]}
    found = planned(
        server, body(2, queue="team"), "waits", "it waits in the queue 'team': 1 cpu more has to become free"
    )
    assert found["ahead"] == {"count": 2, "experimentIds": waiting}
    # What fits may be let in before them, or not.
    assert plan(server, body(1, queue="team"))["why"] == ("the queue 'team' has quota for it, but 2 wait there already")
    server.result("DELETE", f"/{first}")
    assert "plan" not in server.status(waiting[0], "Running")["detail"]
