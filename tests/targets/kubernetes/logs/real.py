"""Plain pods with our labels on a real cluster, and a look at them twenty times a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from submarine_jupyter_server.targets.kubernetes.api.cluster import Cluster as Connection
from submarine_jupyter_server.targets.kubernetes.api.errors import ApiError, Unreachable
from submarine_jupyter_server.targets.kubernetes.logs.pod_logs import PodLogs
from submarine_jupyter_server.targets.kubernetes.state import projection
from submarine_jupyter_server.targets.kubernetes.state.views import PodView
from tests.targets.kubernetes.logs.pods import EXPERIMENT

LABELS = {
    "app.kubernetes.io/managed-by": "submarine-jupyter",
    "submarine.apache.org/experiment-id": EXPERIMENT,
    "submarine.apache.org/role": "worker",
}


def manifest(index: int, image: str, program: str, *, restart: str = "Never", **spec: object) -> dict[str, Any]:
    """Return a pod that runs a Python program as replica ``worker-<index>``."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{EXPERIMENT}-worker-{index}",
            "labels": {**LABELS, "training.kubeflow.org/replica-index": str(index)},
            "annotations": {"submarine.apache.org/uid": "u", "submarine.apache.org/attempt": "1"},
        },
        "spec": {
            "restartPolicy": restart,
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 1000,
                "fsGroup": 1000,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "volumes": [{"name": "kept", "emptyDir": {}}],
            "containers": [
                {
                    "name": "tensorflow",
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["python", "-u", "-c", program],
                    "volumeMounts": [{"name": "kept", "mountPath": "/kept"}],
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ],
            **spec,
        },
    }


class Pods:
    """The pods of a namespace; ``logs`` may be exchanged for that of the next server."""

    def __init__(self, connection: Connection, namespace: str, logs: PodLogs) -> None:
        self._connection = connection
        self._path = f"/api/v1/namespaces/{namespace}/pods"
        self.logs = logs
        self.views: dict[str, PodView] = {}

    async def create(self, pod: Mapping[str, Any]) -> None:
        """Create a pod as soon as the namespace takes one."""
        await self._connection.call("POST", self._path, body=dict(pod))

    async def delete(self, index: int, grace_s: int = 10) -> None:
        """Ask for the end of a pod."""
        path = f"{self._path}/{EXPERIMENT}-worker-{index}"
        await self._connection.call("DELETE", path, body={"gracePeriodSeconds": grace_s})

    async def look(self) -> None:
        """Tell the collector how the pods are now."""
        found = await self._connection.call("GET", self._path)
        now = {view.uid: view for view in map(projection.pod, found["items"])}
        for uid in self.views.keys() - now.keys():
            self.logs.gone(self.views.pop(uid), 1)
        for uid, view in now.items():
            if self.views.get(uid) != view:
                self.views[uid] = view
                self.logs.put_pod(view, 1)

    async def until(self, holds: Callable[[list[PodView]], object], seconds: float = 100.0) -> None:
        """Look until the pods are as wanted."""
        deadline = time.monotonic() + seconds
        while not holds([*self.views.values()]):
            assert time.monotonic() < deadline, self.views
            with suppress(ApiError, Unreachable):
                await self.look()
            await asyncio.sleep(0.05)

    async def ended(self) -> None:
        """Look until all pods have ended."""
        await self.until(lambda pods: pods and all(pod.phase in ("Succeeded", "Failed") for pod in pods))


class Cutting:
    """A cluster on which logs cannot be followed for more than ``seconds``."""

    def __init__(self, cluster: Connection, seconds: float) -> None:
        self._cluster = cluster
        self._seconds = seconds
        self.cuts = 0

    @asynccontextmanager
    async def stream(
        self, path: str, *, params: Mapping[str, str], idle_s: float
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        async with self._cluster.stream(path, params=params, idle_s=idle_s) as chunks:
            yield self._chunks(chunks) if "follow" in params else chunks

    async def _chunks(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        try:
            async with asyncio.timeout(self._seconds):
                async for chunk in chunks:
                    yield chunk
        except TimeoutError:
            self.cuts += 1
            raise Unreachable("cut by the test") from None
