"""Kueue in a cluster of ours: installed when the first test asks for queues, so that no other test pays for it.

It acts in the namespaces with the label `QUEUED` only: what other tests of a session make never meets it.
"""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.cluster import build, cache, components, manifests
from tests.cluster.api import holds, serves, wait
from tests.cluster.cluster import Cluster
from tests.cluster.run import Run

Json = dict[str, Any]

QUEUED = {"submarine.test/queues": "yes"}
API = "/apis/kueue.x-k8s.io/v1beta2"
PLACES = "/apis/visibility.kueue.x-k8s.io/v1beta2"

_JOBS = ["batch/job", "jobset.x-k8s.io/jobset", *(f"kubeflow.org/{kind}job" for kind in ("pytorch", "tf", "xgboost"))]
_OWN = ("clusterqueue", "cohort", "resourceflavor", "workload")
_FLAVOR = "default"
_NAMESPACE, _SERVICE = "kueue-system", "visibility-server"
HOST = f"{_SERVICE}.{_NAMESPACE}.svc"  # the API server wants a certificate of this name


class Queues:
    """Makes queues in namespaces of tests."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._made: list[str] = []

    def make(self, namespace: str, name: str = "team", **quota: str) -> str:
        """Make a LocalQueue with a ClusterQueue of its own behind it, which it returns: `make(ns, cpu="1")`."""
        api, behind = self._cluster.api, f"{namespace}-{name}"
        api.patch(f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": QUEUED}})
        self._create(f"{API}/clusterqueues", _cluster_queue(behind, quota))
        path = self.link(namespace, name, behind)
        wait(f"the queue {name}", lambda: holds(api.get(path), "Active"))
        return behind

    def link(self, namespace: str, name: str, behind: str) -> str:
        """Make a LocalQueue for a ClusterQueue that may not exist, and return its path."""
        path = f"{API}/namespaces/{namespace}/localqueues"
        self._cluster.api.create(path, _object("LocalQueue", name, spec={"clusterQueue": behind}))
        return f"{path}/{name}"

    def remove(self) -> None:
        """Remove what lies outside of the namespaces."""
        for path in reversed(self._made):
            # A queue with work in it would stay until the work is gone, and the work has no need of it any more.
            self._cluster.api.patch(path, {"metadata": {"finalizers": None}})
            self._cluster.api.delete(path)

    def _create(self, collection: str, item: Json) -> None:
        self._cluster.api.create(collection, item)
        self._made.append(f"{collection}/{item['metadata']['name']}")


def begin(cluster: Cluster) -> None:
    """Install and start Kueue, as far as it is not there yet: a few seconds."""
    run = cluster.own()
    with cache.locked(run.directory):
        if cluster.api.http.get(f"{API}/resourceflavors/{_FLAVOR}").is_success:
            return
        programs = build.programs(run.kubernetes)
        components.queue_configuration(run).write_text(json.dumps(_configuration(run)))
        definitions = list(_definitions(run, programs.manifests))
        for item in definitions:
            cluster.api.ensure(manifests.DEFINITIONS, item)
        wait("the kinds of Kueue", lambda: serves(cluster.api, definitions))  # it ends where it does not find them
        if "kueue" in run.ended() or "kueue" not in run.processes:
            components.launch(run, components.kueue(run, programs))
        await_start(run)
        for collection, item in (*_places(run), *_hooks(run, programs.manifests)):
            cluster.api.ensure(collection, item)
        wait("the places in queues", lambda: cluster.api.get(PLACES))
        # The last step: that it is there says that all is.
        wait("its webhooks", lambda: cluster.api.create(f"{API}/resourceflavors", _object("ResourceFlavor", _FLAVOR)))


def await_start(run: Run) -> None:
    """Wait until Kueue listens, which takes less than a second; one that has ended is not waited for."""

    def listens() -> bool:
        if "kueue" in run.ended():
            raise RuntimeError("Kueue has ended")
        return run.listens("kueue")

    try:
        wait("Kueue", listens)
    except (RuntimeError, TimeoutError) as problem:
        problem.add_note(run.last_words("kueue"))
        raise


def _configuration(run: Run) -> Json:
    return {
        "apiVersion": "config.kueue.x-k8s.io/v1beta2",
        "kind": "Configuration",
        "visibilityServer": {"bindAddress": "127.0.0.1", "bindPort": run.ports["kueue-places"]},
        "health": {"healthProbeBindAddress": "0"},  # else port 8081, which a second Kueue of this machine finds taken
        "leaderElection": {"leaderElect": False},
        "internalCertManagement": {"enable": False},
        "managedJobsNamespaceSelector": {"matchLabels": QUEUED},
        "integrations": {"frameworks": _JOBS},
    }


def _definitions(run: Run, manifests: Path) -> Iterator[Json]:
    folder = manifests / "kueue" / "crd"
    conversions = {}
    for path in sorted(folder.glob("patches/webhook_in_*.json")):
        (patch,) = json.loads(path.read_text())
        patch["spec"]["conversion"]["webhook"]["clientConfig"] = _client(run, "/convert")
        conversions[patch["metadata"]["name"]] = patch["spec"]["conversion"]
    for path in sorted(folder.glob("bases/*.json")):
        for item in json.loads(path.read_text()):
            if conversion := conversions.get(item["metadata"]["name"]):
                item["spec"]["conversion"] = conversion
            yield item


def _hooks(run: Run, manifests: Path) -> Iterator[tuple[str, Json]]:
    """Yield (collection, object) for the webhooks of what is served; without those of pods, which many others need."""
    jobs = [f"{name.rpartition('/')[2]}.kb.io" for name in _JOBS]
    for item in json.loads((manifests / "kueue" / "webhook" / "manifests.json").read_text()):
        item["metadata"]["name"] = f"kueue-{item['metadata']['name']}"
        served = [*jobs, *(f"{kind}.kb.io" for kind in _OWN)]
        item["webhooks"] = [hook for hook in item["webhooks"] if hook["name"][1:] in served]
        for hook in item["webhooks"]:
            hook["clientConfig"] = _client(run, hook["clientConfig"]["service"]["path"])
            if hook["name"][1:] in jobs:
                hook["namespaceSelector"] = {"matchLabels": QUEUED}
        yield f"/apis/admissionregistration.k8s.io/v1/{item['kind'].lower()}s", item


def _places(run: Run) -> Iterator[tuple[str, Json]]:
    """Yield (collection, object) for the API that Kueue itself answers: who has which place in a queue."""
    yield "/api/v1/namespaces", {"metadata": {"name": _NAMESPACE}}
    # A loopback address cannot be an endpoint of a Service, but it can be its external name.
    service = {"type": "ExternalName", "externalName": "127.0.0.1"}
    yield f"/api/v1/namespaces/{_NAMESPACE}/services", {"metadata": {"name": _SERVICE}, "spec": service}
    group, version = PLACES.removeprefix("/apis/").split("/")
    spec = {
        "group": group,
        "version": version,
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
        "caBundle": _authority(run),
        "service": {"name": _SERVICE, "namespace": _NAMESPACE, "port": run.ports["kueue-places"]},
    }
    item = {"metadata": {"name": f"{version}.{group}"}, "spec": spec}
    yield "/apis/apiregistration.k8s.io/v1/apiservices", item


def _cluster_queue(name: str, quota: dict[str, str]) -> Json:
    resources = [{"name": resource, "nominalQuota": amount} for resource, amount in quota.items()]
    group = {"coveredResources": list(quota), "flavors": [{"name": _FLAVOR, "resources": resources}]}
    spec = {
        "namespaceSelector": {},
        "preemption": {"withinClusterQueue": "LowerPriority"},
        "resourceGroups": [group],
    }
    return _object("ClusterQueue", name, spec=spec)


def _object(kind: str, name: str, **more: Json) -> Json:
    return {"apiVersion": API.removeprefix("/apis/"), "kind": kind, "metadata": {"name": name}, **more}


def _client(run: Run, path: str) -> Json:
    return {"url": f"https://127.0.0.1:{run.ports['kueue']}{path}", "caBundle": _authority(run)}


def _authority(run: Run) -> str:
    return base64.b64encode(run.path("pki", "ca.crt").read_bytes()).decode()
