from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from typing import Any, cast

import pytest

from submarine_jupyter_server.targets.kubernetes.api.cluster import ApiError
from submarine_jupyter_server.targets.kubernetes.api.cluster import Cluster as Connection
from submarine_jupyter_server.targets.kubernetes.capacity.cluster_capacity import Capacity, capacity
from tests.cluster.api import wait
from tests.cluster.cluster import Cluster
from tests.targets.kubernetes.deployed import DEPLOY, apply_role, collection, documents

Json = dict[str, Any]
GI = 2**30


class Listing:
    """An API server with a fixed content, for what the real one of the tests has not: exact sums, Kueue, many pages."""

    def __init__(self, content: dict[str, list[Json]], groups: dict[str, Json] | None = None, page: int = 100) -> None:
        self.content = content
        self.groups = groups or {}
        self.page = page
        self.calls: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def call(self, method: str, path: str, *, params: dict[str, str] | None = None) -> Json:
        self.calls.append(path)
        await self.gate.wait()
        if path in self.groups:
            return self.groups[path]
        if path not in self.content:
            raise ApiError(403, "Forbidden", "no")
        assert params is not None
        start = int(params.get("continue", "0"))
        items = self.content[path][start : start + self.page]
        more = start + self.page < len(self.content[path])
        return {"metadata": {"continue": str(start + self.page)} if more else {}, "items": items}


def node(name: str, ready: str = "True", taint: str | None = None, cordoned: bool = False, **room: str) -> Json:
    return {
        "metadata": {"name": name},
        "spec": {"unschedulable": cordoned, "taints": [{"key": taint, "effect": "NoSchedule"}] if taint else None},
        "status": {"allocatable": room, "conditions": [{"type": "Ready", "status": ready}]},
    }


def pod(node_name: str, **requests: str) -> Json:
    return {"spec": {"nodeName": node_name, "containers": [{"resources": {"requests": requests}}]}}


async def read(api: Listing, *namespaces: str, served: frozenset[str] = frozenset()) -> Json:
    return await capacity(cast(Connection, api), namespaces, served)


def nodes() -> list[Json]:
    gpus: Any = {"nvidia.com/gpu": "4"}
    return [
        node("a", cpu="4", memory="8Gi", **gpus),
        node("b", cpu="1500m", memory="2Gi"),
        node("off", ready="Unknown", cpu="64"),
        node("cordoned", cordoned=True, cpu="64"),
        node("master", taint="node-role.kubernetes.io/control-plane", cpu="64"),
    ]


async def test_what_is_free_is_summed_node_by_node_and_page_by_page() -> None:
    gpu: Any = {"nvidia.com/gpu": "3"}
    pods = [pod("a", cpu="1", memory="1Gi", **gpu), pod("a", cpu="500m"), pod("b", cpu="2"), pod("master", cpu="9")]
    api = Listing({"/api/v1/nodes": nodes(), "/api/v1/pods": pods}, page=2)
    found = await read(api)
    assert found == {
        "nodes": 2,
        "cpu": {"total": 5.5, "used": 3.5, "free": 2.5},  # b is overfull: it takes nothing from a
        "memory": {"total": 10 * GI, "used": GI, "free": 9 * GI},
        "gpus": {"nvidia.com/gpu": {"total": 4, "used": 3, "free": 1}},
        "quotas": [],
    }
    assert api.calls == ["/api/v1/nodes"] * 3 + ["/api/v1/pods"] * 2


async def test_more_than_anybody_waits_for_is_not_counted() -> None:
    pods = [pod("a", cpu="1m")] * 201
    found = await read(Listing({"/api/v1/nodes": nodes(), "/api/v1/pods": pods}, page=1))
    assert found["cpu"] == {"total": 5.5, "used": None, "free": None}
    assert found["note"] == "what is free is unknown: there are more than 20000 pods"


async def test_the_queues_of_kueue_in_both_versions_of_its_api() -> None:
    usage = [{"name": "spot", "resources": [{"name": "cpu", "total": "3"}, {"name": "nvidia.com/gpu", "total": "1"}]}]
    status = {"pendingWorkloads": 2, "admittedWorkloads": 1, "reservingWorkloads": 1, "flavorsReservation": usage}
    for version, name in (("v1beta1", "flavorUsage"), ("v1beta2", "flavorsUsage")):
        item = {
            "metadata": {"namespace": "x", "name": "gpus"},
            "spec": {"clusterQueue": "all"},
            "status": status | {name: usage},
        }
        root = "/apis/kueue.x-k8s.io"
        api = Listing(
            {f"{root}/{version}/namespaces/x/localqueues": [item, {"metadata": {"namespace": "x", "name": "new"}}]},
            {root: {"preferredVersion": {"version": version}}},
        )
        amounts = {"spot": {"cpu": "3", "nvidia.com/gpu": "1"}}
        found = await read(api, "x", "y", served=frozenset({"LocalQueue"}))
        assert found["queues"] == [
            {
                "namespace": "x", "name": "gpus", "clusterQueue": "all", "pending": 2, "admitted": 1,
                "reserved": amounts, "used": amounts,
            },
            {
                "namespace": "x", "name": "new", "clusterQueue": None, "pending": 0, "admitted": 0,
                "reserved": {}, "used": {},
            },
        ]  # fmt: skip
        assert "this server may not list localqueues in namespace y (docs/deploy/role.yaml)" in found["note"]


async def test_it_is_read_once_for_all_and_not_again_for_a_while() -> None:
    now = [0.0]
    api = Listing({"/api/v1/nodes": [], "/api/v1/pods": []})
    reader = Capacity(cast(Connection, api), (), frozenset(), clock=lambda: now[0])
    first = await asyncio.gather(*(reader.capacity() for _ in range(10)))
    now[0] = 29.9
    assert await reader.capacity() == first[0]
    assert api.calls == ["/api/v1/nodes", "/api/v1/pods"]
    now[0] = 30.0
    await reader.capacity()
    assert len(api.calls) == 4
    await reader.close()


async def test_who_gives_up_waiting_finds_it_the_next_time() -> None:
    api = Listing({"/api/v1/nodes": [], "/api/v1/pods": []})
    reader = Capacity(cast(Connection, api), (), frozenset())
    api.gate.clear()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.capacity(), 0.01)
    api.gate.set()
    assert (await reader.capacity())["nodes"] == 0
    assert len(api.calls) == 2
    await reader.close()


async def test_a_failure_is_not_kept() -> None:
    api = Listing({"/api/v1/nodes": []}, {"/api/v1/pods": {}})
    reader = Capacity(cast(Connection, api), ("x",), frozenset({"LocalQueue"}))
    with pytest.raises(ApiError):
        await reader.capacity()  # not even the group of Kueue may be seen
    api.groups["/apis/kueue.x-k8s.io"] = {"preferredVersion": {"version": "v1beta2"}}
    assert (await reader.capacity())["queues"] is None
    await reader.close()


async def test_with_the_role_alone_its_namespace_is_shown_and_the_rest_is_explained(
    cluster: Cluster, fake_namespace: str
) -> None:
    kubeconfig = apply_role(cluster, fake_namespace)
    quota = {"metadata": {"name": "compute"}, "spec": {"hard": {"requests.cpu": "2"}}}
    path = f"/api/v1/namespaces/{fake_namespace}/resourcequotas"
    cluster.api.create(path, quota)
    wait("the quota", lambda: cluster.api.get(f"{path}/compute").get("status", {}).get("used"))
    connection = await Connection.connect(kubeconfig=str(kubeconfig))
    try:
        assert await capacity(connection, [fake_namespace, "default"], frozenset()) == {
            "nodes": None,
            "cpu": None,
            "memory": None,
            "gpus": None,
            "quotas": [
                {
                    "namespace": fake_namespace,
                    "name": "compute",
                    "hard": {"requests.cpu": "2"},
                    "used": {"requests.cpu": "0"},
                }
            ],
            "note": "the size of the nodes is unknown: this server may not list nodes of the whole cluster "
            "(docs/deploy/capacity-clusterrole.yaml); resourcequotas are not shown: this server may not list "
            "resourcequotas in "
            "namespace default (docs/deploy/role.yaml)",
        }
    finally:
        await connection.close()


@pytest.fixture
def cluster_role(cluster: Cluster, fake_namespace: str) -> Iterator[None]:
    """Apply the optional ClusterRole under a name of the test's own."""
    name = f"submarine-test-{secrets.token_hex(4)}"
    text = (DEPLOY / "capacity-clusterrole.yaml").read_text().replace("submarine-jupyter-capacity", name)
    items = documents(text, fake_namespace)
    for item in items:
        cluster.api.create(collection(item), item)
    yield
    for item in items:
        cluster.api.delete(f"{collection(item)}/{item['metadata']['name']}")


@pytest.mark.usefixtures("cluster_role")
async def test_with_the_cluster_role_the_nodes_are_shown(cluster: Cluster, fake_namespace: str) -> None:
    kubeconfig = apply_role(cluster, fake_namespace)
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    asked = {"cpu": "250m", "memory": "1Gi", "nvidia.com/gpu": "2"}
    container = {
        "name": "x", "image": "x:1", "securityContext": security, "resources": {"requests": asked, "limits": asked},
    }  # fmt: skip
    spec = {
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
        "tolerations": [{"operator": "Exists"}],
        "containers": [container],
    }
    pods = f"/api/v1/namespaces/{fake_namespace}/pods"
    cluster.api.create(pods, {"metadata": {"name": "taker"}, "spec": spec})
    wait("the pod", lambda: cluster.api.get(f"{pods}/taker")["status"]["phase"] == "Running")
    connection = await Connection.connect(kubeconfig=str(kubeconfig))
    try:
        found: Any = await capacity(connection, [fake_namespace], frozenset())
    finally:
        await connection.close()
    assert "note" not in found
    assert found["nodes"] >= 3
    gpus = found["gpus"]["nvidia.com/gpu"]
    assert gpus["total"] == 24
    assert gpus["used"] >= 2
    assert gpus["free"] == 24 - gpus["used"]
    assert found["cpu"]["total"] >= 3000
    assert found["cpu"]["used"] >= 0.25
    assert found["memory"]["used"] >= GI
