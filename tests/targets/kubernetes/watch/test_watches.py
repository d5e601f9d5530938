"""The streams of a cluster add up to experiments: what comes later is taken in, and each event costs the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter_server.targets.kubernetes.connection import connector
from submarine_jupyter_server.targets.kubernetes.state.experiment_state import ExperimentState
from submarine_jupyter_server.targets.kubernetes.watch import watches
from tests.targets.kubernetes.fault_server import FaultServer, answer
from tests.targets.kubernetes.small_cluster import ID, JOBSETS, SmallCluster, attached, launch

KUEUE = "/apis/kueue.x-k8s.io"
WORKLOADS = f"{KUEUE}/v1beta1/namespaces/ns/workloads"
QUEUES = f"{KUEUE}/v1beta1/namespaces/ns/localqueues"
Json = dict[str, Any]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connector, "_KINDS_AGE_S", 0.0)
    monkeypatch.setattr(watches, "_TICK_S", 0.02)


def install_kueue(cluster: SmallCluster) -> None:
    """Serve Kueue from now on."""
    preferred = answer({"preferredVersion": {"version": "v1beta1"}})
    cluster.rule = lambda request: preferred if request.path == KUEUE else None
    cluster.served[f"{KUEUE}/v1beta1"] = ["Workload", "LocalQueue"]


def workload(name: str, owner: str, message: str) -> Json:
    condition = {"type": "QuotaReserved", "status": "False", "reason": "Pending", "message": message}
    owners = [{"uid": owner, "kind": "JobSet", "name": ID, "apiVersion": "jobset.x-k8s.io/v1alpha2"}]
    meta = {"name": name, "ownerReferences": owners}
    return {"metadata": meta, "spec": {"queueName": "team-a"}, "status": {"conditions": [condition]}}


async def test_queues_that_come_later_appear_in_the_capacity(tmp_path: Path) -> None:
    async with FaultServer() as server:
        cluster = SmallCluster(server)
        async with attached(cluster, tmp_path) as made:
            await made.ready()
            assert "queues" not in await made.target.capacity()
            install_kueue(cluster)
            cluster.put(QUEUES, {"metadata": {"name": "team-a"}, "spec": {"clusterQueue": "all"}})
            capacity = made.target._connector.connection().capacity

            def asked() -> bool:
                made.target._connector.refresh_kinds()
                return "LocalQueue" in capacity.served

            await made.until(asked)
            capacity._reading = None  # it is kept for half a minute
            queues: Any = (await made.target.capacity())["queues"]
            assert [queue["name"] for queue in queues] == ["team-a"]


async def test_what_a_queue_says_reaches_its_experiment_and_costs_no_look_at_others(tmp_path: Path) -> None:
    class Dictionary(dict[str, ExperimentState]):
        walked = 0

        def values(self) -> Any:
            Dictionary.walked += 1
            return super().values()

        def __iter__(self) -> Iterator[str]:
            Dictionary.walked += 1
            return super().__iter__()

    async with FaultServer() as server:
        cluster = SmallCluster(server)
        install_kueue(cluster)
        async with attached(cluster, tmp_path) as made:
            await made.ready()
            queued = launch()
            body = queued.spec.wire() | {"runtime": {"queue": "team-a"}}
            queued = launch(spec=ExperimentSpec.parse(body))
            await made.target.ensure(queued)
            own = cluster.get(JOBSETS, ID)["metadata"]["uid"]
            cluster.put(WORKLOADS, workload("w", own, "insufficient quota"))
            await made.until(lambda: made.last and "insufficient quota" in str(made.last.message))
            found = made.target._connector.connection().watches
            found.ownership.experiments = Dictionary(found.experiments)
            before = Dictionary.walked
            view = found._intake._workloads[own]
            found._intake.workload(WORKLOADS, "w", view, view)
            assert Dictionary.walked == before


async def test_a_kind_that_is_served_later_is_followed(tmp_path: Path) -> None:
    async with FaultServer() as server:
        cluster = SmallCluster(server)
        operators = cluster.served.pop("/apis/kubeflow.org/v1")
        async with attached(cluster, tmp_path) as made:
            await made.ready()
            assert made.target.health()["kinds"] == ["JobSet"]
            cluster.served["/apis/kubeflow.org/v1"] = operators
            made.target._connector.refresh_kinds()
            await made.until(lambda: "TFJob" in made.target._connector.served)
            await made.until(lambda: made.target._connector.connection().watches.whole)
            await made.target.ensure(launch())
            assert cluster.names("/apis/kubeflow.org/v1/namespaces/ns/tfjobs") == [ID]
