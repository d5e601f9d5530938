"""Which kinds a cluster serves."""

from __future__ import annotations

from pathlib import Path

import pytest

from submarine_jupyter_server.targets.kubernetes.api.cluster import ApiError, Cluster, Unreachable
from submarine_jupyter_server.targets.kubernetes.api.discovery import PLACES, discover, kueue_version, server_version
from tests.targets.kubernetes.fault_server import FaultServer, Script, answer, cut, error


def kinds(*names: str) -> Script:
    """Answer as for an API group that serves these kinds, with their subresources."""
    found = [{"name": f"{name.lower()}s{end}", "kind": name} for name in names for end in ("", "/status")]
    return answer({"kind": "APIResourceList", "resources": [*found, {"name": "mpijobs", "kind": "MPIJob"}]})


async def test_a_cluster_with_everything(tmp_path: Path) -> None:
    async with FaultServer() as server:
        server.on("GET", "/version", answer({"gitVersion": "v1.36.2"}))
        server.on("GET", "/apis/kubeflow.org/v1", kinds("TFJob", "PyTorchJob", "XGBoostJob"))
        server.on("GET", "/apis/jobset.x-k8s.io/v1alpha2", kinds("JobSet"))
        server.on("GET", "/apis/kueue.x-k8s.io", answer({"preferredVersion": {"version": "v1beta2"}}))
        server.on("GET", "/apis/kueue.x-k8s.io/v1beta2", kinds("Workload", "LocalQueue", "ClusterQueue"))
        server.on("GET", f"/apis/{PLACES}", answer({"preferredVersion": {"version": "v1beta2"}}))
        server.on("GET", f"/apis/{PLACES}/v1beta2", kinds("PendingWorkloadsSummary"))
        queues = {"Workload", "LocalQueue", "PendingWorkloadsSummary"}
        async with await Cluster.connect(kubeconfig=server.kubeconfig(tmp_path)) as cluster:
            assert await discover(cluster) == {"TFJob", "PyTorchJob", "XGBoostJob", "JobSet", *queues}
            assert await kueue_version(cluster) == "v1beta2"
            assert await server_version(cluster) == "v1.36.2"


async def test_a_cluster_with_nothing(tmp_path: Path) -> None:
    async with FaultServer() as server, await Cluster.connect(kubeconfig=server.kubeconfig(tmp_path)) as cluster:
        assert await discover(cluster) == frozenset()
        assert await kueue_version(cluster) is None


@pytest.mark.parametrize(
    ("script", "raised"), [(error(403, "Forbidden"), ApiError), (error(500, ""), ApiError), (cut, Unreachable)]
)
async def test_what_is_not_known_is_not_absent(script: Script, raised: type[Exception], tmp_path: Path) -> None:
    async with FaultServer() as server:
        server.on("GET", "/apis/jobset.x-k8s.io/v1alpha2", script)
        async with await Cluster.connect(kubeconfig=server.kubeconfig(tmp_path)) as cluster:
            with pytest.raises(raised):
                await discover(cluster)


async def test_nothing_waits_for_kueue_to_answer_where_places_are(tmp_path: Path) -> None:
    async with FaultServer() as server:
        server.on("GET", "/apis/jobset.x-k8s.io/v1alpha2", kinds("JobSet"))
        server.on("GET", f"/apis/{PLACES}", answer({"preferredVersion": {"version": "v1beta2"}}))
        server.on("GET", f"/apis/{PLACES}/v1beta2", error(503, "service unavailable"))
        async with await Cluster.connect(kubeconfig=server.kubeconfig(tmp_path)) as cluster:
            assert await discover(cluster) == {"JobSet"}
