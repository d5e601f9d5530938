"""A cluster of one process: an API server that keeps objects and streams them, and breaks what a test wants broken.

It has no controllers: a test makes pods and writes statuses itself. What a real control plane does with our requests is
proven elsewhere (tests/kubernetes); here a test chooses when it answers, and what.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter_server.targets.kubernetes.api.rights import NEEDS
from submarine_jupyter_server.targets.kubernetes.manifests.recognition.metadata import (
    ATTEMPT,
    EXPERIMENT_LABEL,
    ROLE_LABEL,
    UID,
)
from submarine_jupyter_server.targets.kubernetes.settings import KubernetesSettings
from submarine_jupyter_server.targets.kubernetes.target import KubernetesTarget
from submarine_jupyter_server.targets.protocol import Known, Launch, Made, Observation
from tests.targets.kubernetes.fault_server import Exchange, FaultServer, Request, Script, answer, error, plain

Json = dict[str, Any]
KEY = b"the key of the server that tests are of"
ID = "experiment-1647574374688-0002"
TFJOBS = "/apis/kubeflow.org/v1/namespaces/ns/tfjobs"
JOBSETS = "/apis/jobset.x-k8s.io/v1alpha2/namespaces/ns/jobsets"
JOBS = "/apis/batch/v1/namespaces/ns/jobs"
PODS = "/api/v1/namespaces/ns/pods"
SERVED = {
    "/apis/kubeflow.org/v1": ["TFJob", "PyTorchJob", "XGBoostJob"],
    "/apis/jobset.x-k8s.io/v1alpha2": ["JobSet"],
}
_VERBS = {"POST": "create", "PATCH": "patch", "DELETE": "delete"}


@dataclass
class Row:
    """What a database has of an experiment."""

    launch: Launch
    made: Made | None = None
    live: bool = True
    stopping: bool = False


class RememberedTarget(KubernetesTarget):
    """A target with a database: what was made is kept, and given back to the next one."""

    rows: dict[str, Row]
    recalled: list[str]

    async def ensure(self, launch: Launch) -> Made:
        row = self.rows.setdefault(launch.experiment_id, Row(launch))
        row.launch = launch
        row.made = await super().ensure(launch)
        return row.made

    async def recall(self, experiment_id: str) -> Known | None:
        self.recalled.append(experiment_id)
        row = self.rows.get(experiment_id)
        return None if row is None else Known(row.launch, row.live, row.stopping, row.made)


class SmallCluster:
    """Answers a `FaultServer`; ``rule`` may answer a request instead, ``denied`` are (verb, resource) without right.

    ``removed`` are kinds (``tfjobs``) that it does not have any more.

    With ``pods_end`` false the pods of what is deleted stay, as on a node that is lost. ``rows`` are what the databases
    of the targets on it have.
    """

    def __init__(self, server: FaultServer) -> None:
        self.server = server
        self.served = dict(SERVED)
        self.denied: set[tuple[str, str]] = set()
        self.removed: set[str] = set()
        self.rule: Callable[[Request], Script | None] = lambda request: None
        self.pods_end = True
        self.rows: dict[str, Row] = {}
        self._hidden: set[tuple[str, str]] = set()
        self._objects: dict[str, dict[str, Json]] = {}
        self._history: list[tuple[str, str, Json]] = []
        self._news = asyncio.Event()
        server.on("*", "*", self._handle)

    def names(self, collection: str) -> list[str]:
        """Return the names of what a collection has."""
        return sorted(self._objects.get(collection, {}))

    def get(self, collection: str, name: str) -> Json:
        """Return an object."""
        return self._objects[collection][name]

    def own(self, experiment_id: str) -> Json:
        """Return the own object of an experiment."""
        return next(found[experiment_id] for found in self._objects.values() if experiment_id in found)

    def put(self, collection: str, item: Json) -> Json:
        """Make or change an object."""
        found = self._objects.setdefault(collection, {})
        known = found.get(item["metadata"]["name"])
        version = len(self._history) + 2
        stamp = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        made = {"uid": f"uid-{version}", "creationTimestamp": stamp, "namespace": "ns"}
        item["metadata"] = {**made, **item["metadata"], "resourceVersion": str(version)}
        found[item["metadata"]["name"]] = item
        if (collection, item["metadata"]["name"]) not in self._hidden:
            self._happened(collection, "MODIFIED" if known else "ADDED", item)
        return item

    def drop(self, collection: str, name: str) -> None:
        """Remove an object, as somebody else does."""
        if item := self._objects.get(collection, {}).pop(name, None):
            gone = json.loads(json.dumps(item))
            gone["metadata"]["resourceVersion"] = str(len(self._history) + 2)
            if (collection, name) not in self._hidden:
                self._happened(collection, "DELETED", gone)

    def silence(self, collection: str, name: str) -> None:
        """Let no stream tell of an object."""
        self._hidden.add((collection, name))

    def hide(self, collection: str, name: str) -> None:
        """Take our labels from an object: it is there, and no stream tells of it until it is patched."""
        item = json.loads(json.dumps(self.get(collection, name)))
        item["metadata"]["resourceVersion"] = str(len(self._history) + 2)
        self._happened(collection, "DELETED", item)
        item["metadata"]["labels"] = {}
        self._objects[collection][name] = item
        self.silence(collection, name)

    def remove(self, collection: str) -> None:
        """Remove a kind with all there is of it, as when its CRD is deleted: its streams break off."""
        for name in self.names(collection):
            self.drop(collection, name)
        self.removed.add(collection.rpartition("/")[2])
        self.server.drop()

    def status(self, collection: str, name: str, status: Json) -> None:
        """Write a status, as an operator does."""
        item = json.loads(json.dumps(self.get(collection, name)))
        self.put(collection, item | {"status": status})

    def pod(self, launch: Launch, role: str = "worker", index: int = 0, *, node: str = "node-1", **state: Json) -> str:
        """Make a pod of a replica, as an operator does; ``state`` is that of its container, running by default."""
        name = f"{launch.experiment_id}-{role}-{index}"
        owner = {"uid": self.own(launch.experiment_id)["metadata"]["uid"], "controller": True}
        labels = {EXPERIMENT_LABEL: launch.experiment_id, ROLE_LABEL: role}
        labels |= {"training.kubeflow.org/replica-index": str(index)}
        marks = {UID: launch.uid, ATTEMPT: str(launch.attempt)}
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        state = state or {"running": {"startedAt": now}}
        phase = "Running" if "running" in state else "Succeeded"
        containers = [{"name": "tensorflow", "state": state, "restartCount": 0}]
        self.put(
            PODS,
            {
                "metadata": {"name": name, "labels": labels, "annotations": marks, "ownerReferences": [owner]},
                "spec": {"nodeName": node, "containers": [{"name": "tensorflow", "image": "i:1"}]},
                "status": {"phase": phase, "containerStatuses": containers},
            },
        )
        return name

    def _happened(self, collection: str, kind: str, item: Json) -> None:
        self._history.append((collection, kind, json.loads(json.dumps(item))))
        self._news.set()
        self._news = asyncio.Event()

    async def _handle(self, exchange: Exchange) -> None:
        request = exchange.request
        script = self.rule(request) or self._denial(request) or self._script(request)
        await script(exchange)

    def _denial(self, request: Request) -> Script | None:
        collection, _ = _split(request.path)
        resource = collection.rpartition("/")[2]
        verb = _VERBS.get(request.method) or ("watch" if "watch" in request.query else _reading(request.path))
        if (verb, resource) not in self.denied:
            return None
        group = collection.split("/")[2] if collection.startswith("/apis/") else ""
        what = f'cannot {verb} resource "{resource}" in API group "{group}" in the namespace "ns"'
        return error(403, "Forbidden", f'{resource} is forbidden: User "u" {what}')

    def _script(self, request: Request) -> Script:
        path, method = request.path, request.method
        if path in self.served:
            names = {f"{kind.lower()}s": kind for kind in self.served[path]}
            left = [{"kind": kind, "name": name} for name, kind in names.items() if name not in self.removed]
            return answer({"resources": left})
        if path.endswith("selfsubjectrulesreviews"):
            return answer({"status": {"resourceRules": self._rules()}}, 201)
        if path.endswith("selfsubjectaccessreviews"):
            return answer({"status": {"allowed": False}}, 201)
        if path == "/readyz":
            return plain(200, "ok")
        if "/namespaces/" not in path:
            return self._list(path) if path.startswith("/api/v1/") else plain(404)
        collection, name = _split(path)
        if collection.rpartition("/")[2] in self.removed:
            return plain(404)
        if name.endswith("/log"):
            return plain(200, "")
        if method == "POST":
            return self._create(collection, request.json, dry="dryRun" in request.query)
        if name and name not in self._objects.get(collection, {}):
            return error(404, "NotFound", f"{name} not found")
        if method == "PATCH":
            if "labels" in request.json.get("metadata", {}):
                self._hidden.discard((collection, name))
            return answer(self.put(collection, _merged(self.get(collection, name), request.json)))
        if method == "DELETE":
            return self._delete(collection, name, request.json)
        if name:
            return answer(self.get(collection, name))
        return self._stream(collection) if "watch" in request.query else self._list(collection)

    def _rules(self) -> list[Json]:
        return [
            {"apiGroups": [need.group], "resources": [need.resource], "verbs": [verb]}
            for need in NEEDS
            for verb in need.verbs
            if (verb, need.resource) not in self.denied
        ]

    def _create(self, collection: str, item: Json, *, dry: bool) -> Script:
        if item["metadata"]["name"] in self._objects.get(collection, {}):
            name, plural = item["metadata"]["name"], collection.rpartition("/")[2]
            return error(409, "AlreadyExists", f'{plural} "{name}" already exists')
        return answer(item if dry else self.put(collection, item), 201)

    def _delete(self, collection: str, name: str, options: Json) -> Script:
        item = self.get(collection, name)
        wanted: Json = options.get("preconditions") or item["metadata"]
        if wanted["uid"] != item["metadata"]["uid"]:
            return error(409, "Conflict", "Precondition failed: UID in precondition: a, UID in object meta: b")
        pods = [pod for pod in self._objects.get(PODS, {}).values() if pod["metadata"]["name"].startswith(f"{name}-")]
        if self.pods_end:
            for pod in pods:
                self.drop(PODS, pod["metadata"]["name"])
        elif options.get("propagationPolicy") == "Foreground" and pods:
            item["metadata"]["deletionTimestamp"] = "2026-11-28T00:00:00Z"
            return answer(self.put(collection, item))
        self.drop(collection, name)
        return answer({"kind": "Status", "status": "Success"})

    def _list(self, collection: str) -> Script:
        items = list(self._objects.get(collection, {}).values())
        return answer({"metadata": {"resourceVersion": str(len(self._history) + 1)}, "items": items})

    def _stream(self, collection: str) -> Script:
        async def script(exchange: Exchange) -> None:
            await exchange.send(b"")
            query = exchange.request.query
            position = len(self._history)
            if "sendInitialEvents" in query:
                for name, item in list(self._objects.get(collection, {}).items()):
                    if (collection, name) not in self._hidden:
                        await _send(exchange, "ADDED", item)
                end = {"resourceVersion": str(position + 1), "annotations": {"k8s.io/initial-events-end": "true"}}
                await _send(exchange, "BOOKMARK", {"metadata": end})
            else:
                position = int(query["resourceVersion"]) - 1
            while not exchange.writer.is_closing():
                news = self._news
                for of, kind, item in self._history[position:]:
                    if of == collection:
                        await _send(exchange, kind, item)
                position = len(self._history)
                await news.wait()

        return script


@dataclass
class Attached:
    """A target at work on a small cluster, and what it observed; ``sink`` may fail or wait."""

    cluster: SmallCluster
    target: RememberedTarget
    observations: list[Observation] = field(default_factory=list)
    doubts: int = 0
    sink: Callable[[Observation], Awaitable[None]] | None = None

    async def take(self, observation: Observation) -> None:
        if self.sink is not None:
            await self.sink(observation)
        row = self.cluster.rows.get(observation.experiment_id)
        if row is not None and observation.status.final:
            row.live = False
        self.observations.append(observation)

    def doubt(self) -> None:
        self.doubts += 1

    @property
    def last(self) -> Observation | None:
        """The last observation."""
        return self.observations[-1] if self.observations else None

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until something holds."""
        await self.cluster.server.until(lambda: bool(holds()))

    async def ready(self) -> None:
        """Wait until orders can be given."""
        await self.until(lambda: self.doubts)


@asynccontextmanager
async def attached(cluster: SmallCluster, folder: Path, **options: Any) -> AsyncIterator[Attached]:
    """Attach a target while the block runs; it may be attached again, as after a restart."""
    settings = KubernetesSettings(
        "kubernetes",
        kubeconfig=cluster.server.kubeconfig(folder, token="secret"),
        namespaces=("ns",),
        log_collection="on-demand",
        **options,
    )
    target = RememberedTarget(settings, instance="test", runs=folder / "runs", log_cap=1 << 20, key=KEY)
    target.rows, target.recalled = cluster.rows, []
    made = Attached(cluster, target)
    kept = [row.made for row in cluster.rows.values() if row.made is not None]
    await target.start(made.take, made.doubt, kept, target.recall)
    try:
        yield made
    finally:
        await target.close()


def launch(framework: str = "TensorFlow", *, workers: int = 1, **changes: Any) -> Launch:
    """Return a launch of workers that sleep."""
    spec = ExperimentSpec.parse(
        {
            "meta": {"name": "test", "framework": framework, "cmd": "sleep 1000", "namespace": "ns"},
            "environment": {"image": "i:1"},
            "spec": {"Worker": {"replicas": workers, "resources": "cpu=1"}},
        }
    )
    fields: Json = {"experiment_id": ID, "uid": "0b617cea-81fa-40b6-bbff-da3e400d2be4", "owner": "ann"}
    fields |= {"name": "test", "spec": spec, "attempt": 1, "generation": 1, "accepted_ms": time.time_ns() // 1_000_000}
    return Launch(**(fields | changes))


def ended(kind: str = "Succeeded", reason: str = "Done") -> Json:
    """Return the status of a job that has ended."""
    return {"conditions": [{"type": kind, "status": "True", "reason": reason, "lastTransitionTime": _STAMP}]}


_STAMP = "2026-11-28T00:00:00Z"


async def _send(exchange: Exchange, kind: str, item: Json) -> None:
    with suppress(ConnectionError):
        await exchange.send(json.dumps({"type": kind, "object": item}).encode() + b"\n")


def _split(path: str) -> tuple[str, str]:
    """Return a collection, and what comes behind it."""
    parts = path.split("/")
    at = parts.index("namespaces") + 3 if "namespaces" in parts else len(parts)
    return "/".join(parts[:at]), "/".join(parts[at:])


def _reading(path: str) -> str:
    return "get" if _split(path)[1] else "list"


def _merged(item: Any, patch: Any) -> Any:
    """Apply a merge patch (RFC 7386)."""
    if not isinstance(patch, dict):
        return patch
    found = dict(item) if isinstance(item, dict) else {}
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = _merged(found.get(key), value)
    return found
