"""`python -m tests.targets.kubernetes.record KUBECONFIG [name...]`: provoke situations, store what the cluster says.

`lost` kills the kubelet of the cluster: record it alone.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter_server.targets.kubernetes.manifests import owned, render
from submarine_jupyter_server.targets.protocol import Launch
from tests.cluster import manifests
from tests.cluster.api import ApiError, wait
from tests.cluster.cluster import Cluster
from tests.cluster.lifecycle import attach
from tests.targets.kubernetes.recordings import Recording, trimmed, write
from tests.targets.kubernetes.situations import FOREVER, SITUATIONS, Situation, workers

Json = dict[str, Any]

_SECONDS = 100
_COLLECTIONS = {
    "TFJob": "/apis/kubeflow.org/v1/namespaces/{}/tfjobs",
    "PyTorchJob": "/apis/kubeflow.org/v1/namespaces/{}/pytorchjobs",
    "JobSet": "/apis/jobset.x-k8s.io/v1alpha2/namespaces/{}/jobsets",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
    "Service": "/api/v1/namespaces/{}/services",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Secret": "/api/v1/namespaces/{}/secrets",
    "Pod": "/api/v1/namespaces/{}/pods",
    "Event": "/api/v1/namespaces/{}/events",
}
_ENDS = (
    None,
    "ReplicaFailed",
    "OOMKilled",
    "CommandNotFound",
    "DeadlineExceeded",
    "Evicted",
    "ReplicaRemoved",
)
_PRIORITY = "/apis/scheduling.k8s.io/v1/priorityclasses"


class Run:
    """One situation on its way."""

    def __init__(self, cluster: Cluster, number: int, name: str, situation: Situation) -> None:
        self.cluster, self.api, self.name, self.situation = cluster, cluster.api, name, situation
        self.namespace = f"situation-{int(time.time()) % 100000}-{number}"
        self.id = f"experiment-{time.time_ns() // 1_000_000}-{number:04d}"
        self.pods: dict[str, Json] = {}
        self.acted = self.reached = False
        self.own = ""

    def start(self) -> None:
        """Make everything."""
        node_type = {"real": "kubelet", "fake": "kwok"}[self.situation.nodes]
        self.api.create("/api/v1/namespaces", manifests.namespace(self.namespace, node_type))
        account = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/default"
        wait("the service account", lambda: self.api.get(account))
        for collection, body in self.situation.before:
            self._make(collection, json.loads(json.dumps(body).replace('"{}"', f'"{self.namespace}"')))
        if self.situation.before:
            time.sleep(3)  # the API server learns of quotas and policies by watching them
        first, *rest = render(
            launch_of(self.situation, self.id),
            kind=self.situation.kind,
            namespace=self.namespace,
            options=self.situation.options,
        )
        created = self._make(_COLLECTIONS[first["kind"]], _merged(first, self.situation.own))
        self.own = f"{_COLLECTIONS[first['kind']].format(self.namespace)}/{first['metadata']['name']}"
        for item in owned([first, *rest], created["metadata"]["uid"]):
            if item["kind"] not in self.situation.without:
                self._make(_COLLECTIONS[item["kind"]], item)

    def look(self) -> Recording:
        """Return what there is now."""
        pods = {item["metadata"]["uid"]: item for item in self._list("Pod")}
        gone = [item for uid, item in self.pods.items() if uid not in pods]
        for uid, item in pods.items():
            # As `seen.latest` does it: Kubernetes forgets when the end of a pod was asked for.
            known = self.pods.get(uid, {}).get("metadata", {})
            if "deletionTimestamp" in known:
                item["metadata"] |= {key: known[key] for key in ("deletionTimestamp", "deletionGracePeriodSeconds")}
        self.pods |= pods
        own = self.api.get(self.own)
        jobs = [item for item in self._list("Job") if item["metadata"]["name"] != own["metadata"]["name"]]
        return Recording(own, jobs, list(pods.values()), gone, self._list("Event"))

    def act(self) -> None:
        """Do what is to be done to a replica that runs."""
        running = [item for item in self.pods.values() if item["status"].get("phase") == "Running"]
        if not self.situation.act or self.acted or not running:
            return
        name = running[0]["metadata"]["name"]
        path = f"{_COLLECTIONS['Pod'].format(self.namespace)}/{name}"
        if self.situation.act == "evict":
            eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
            self.api.create(f"{path}/eviction", eviction)
        elif self.situation.act == "remove":
            self.api.delete(path)
        elif self.situation.act == "unplug":
            self.cluster.kill("kubelet")
        else:
            self._preempt()
        self.acted = True

    def end(self) -> None:
        """Remove everything."""
        if self.situation.act == "unplug":
            self.cluster.start("kubelet")
        if self.situation.nodes == "fake":
            # Of a fake pod nobody says that it has ended, and its Job would wait for that.
            for uid in self.pods:
                with suppress(ApiError):
                    name = self.pods[uid]["metadata"]["name"]
                    path = f"{_COLLECTIONS['Pod'].format(self.namespace)}/{name}"
                    self.api.patch(path, {"metadata": {"finalizers": None}})
        paths = [f"/api/v1/namespaces/{self.namespace}", f"{_PRIORITY}/{self.namespace}"]
        paths += [
            f"{where}/{self.namespace}" for where, body in self.situation.before if "{}" in body["metadata"]["name"]
        ]
        for path in paths:
            with suppress(ApiError):
                self.api.delete(path)

    def _preempt(self) -> None:
        self._make(_PRIORITY, {"metadata": {"name": "{}"}, "value": 1000})
        other = Situation(
            "indexed_jobs",
            None,
            FOREVER,
            nodes="fake",
            roles=workers(1, "cpu=900"),
            runtime={"priority": self.namespace},
        )
        launch = launch_of(other, f"{self.id[:-4]}9999")
        for item in render(launch, kind="indexed_jobs", namespace=self.namespace, options=other.options):
            self._make(_COLLECTIONS[item["kind"]], item)

    def _make(self, collection: str, body: Json) -> Json:
        body = json.loads(json.dumps(body).replace('"{}"', f'"{self.namespace}"'))
        return self.api.create(collection.format(self.namespace), body)

    def _list(self, kind: str) -> list[Json]:
        path = _COLLECTIONS[kind].format(self.namespace)
        items = self.api.get(path)["items"]
        return [item for item in items if self.id in json.dumps(item)]


def launch_of(situation: Situation, experiment_id: str) -> Launch:
    """Return the launch of a situation."""
    uid = "0b617cea-81fa-40b6-bbff-da3e400d2be4"
    spec = ExperimentSpec.parse(situation.body())
    return Launch(experiment_id, uid, "ann", "situation", spec, 1, 1, time.time_ns() // 1_000_000)


def _merged(body: Json, more: Json) -> Json:
    return {
        **body,
        **{key: _merged(body.get(key, {}), value) if isinstance(value, dict) else value for key, value in more.items()},
    }


def _observe(run: Run) -> None:
    recording = run.look()
    seen = recording.observe(run.situation.kind, now_ms=time.time_ns() // 1_000_000)
    final = seen.status.final or run.situation.reason not in _ENDS
    if run.situation.act and not run.acted:
        run.act()
        return
    if seen.reason == run.situation.reason and final:
        run.reached = True
        write(run.name, trimmed(recording, run.id, run.namespace))
        print(f"{run.name}: {seen.status} {seen.reason}: {seen.message}", flush=True)


def main() -> None:
    """Provoke all at once, and wait for each."""
    cluster = attach(Path(sys.argv[1]))
    names = sys.argv[2:] or list(SITUATIONS)
    runs = [Run(cluster, number, name, SITUATIONS[name]) for number, name in enumerate(names)]
    for run in runs:
        run.start()
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline and not all(run.reached for run in runs):
        for run in (run for run in runs if not run.reached):
            try:
                _observe(run)
            except ApiError as error:
                print(f"{run.name}: {error}", flush=True)
        time.sleep(0.1)
    for run in runs:
        if not run.reached:
            seen = run.look().observe(run.situation.kind, now_ms=time.time_ns() // 1_000_000)
            print(f"NOT REACHED {run.name}: {seen}", flush=True)
        run.end()
    cluster.api.close()


if __name__ == "__main__":
    main()
