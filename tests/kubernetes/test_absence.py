"""What is gone says why, as far as anybody can know: seen live, or found out after a time without a server."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from tests.cluster import lifecycle
from tests.cluster.api import Api, wait
from tests.cluster.cluster import Cluster
from tests.cluster.manifests import DEFINITIONS
from tests.kubernetes.annex import Annex
from tests.kubernetes.reasons import NEVER
from tests.kubernetes.server import ClusterServer, spec
from tests.targets.kubernetes.deployed import ACCOUNT, DEPLOY

Json = dict[str, Any]
RBAC = "/apis/rbac.authorization.k8s.io/v1"
DONE = {"exitCode": 0, "reason": "Completed", "startedAt": "2026-11-28T00:00:00Z", "finishedAt": "2026-11-28T00:00:01Z"}
AWAY = "; whether it had ended by then is not known"


@dataclass(frozen=True)
class Stage:
    """One experiment, and the API server as an administrator sees it."""

    api: Api
    namespace: str
    experiment_id: str
    kind: str = "TFJob"

    @property
    def path(self) -> str:
        """Where its own object is."""
        place = f"namespaces/{self.namespace}"
        return {
            "TFJob": f"/apis/kubeflow.org/v1/{place}/tfjobs/{self.experiment_id}",
            "JobSet": f"/apis/jobset.x-k8s.io/v1alpha2/{place}/jobsets/{self.experiment_id}",
            "Job": f"/apis/batch/v1/{place}/jobs/{self.experiment_id}-worker",
        }[self.kind]

    def delete(self, propagation: str = "Background") -> None:
        self.api.http.request("DELETE", self.path, json={"propagationPolicy": propagation}).raise_for_status()

    def wait_gone(self) -> None:
        wait(f"{self.path} to be gone", lambda: self.api.http.get(self.path).status_code == 404)

    def pods(self) -> list[Json]:
        label = f"submarine.apache.org/experiment-id={self.experiment_id}"
        found: list[Json] = self.api.get(f"/api/v1/namespaces/{self.namespace}/pods", labelSelector=label)["items"]
        return found

    def end(self) -> None:
        """Let its containers end well."""
        for pod in self.pods():
            state = {"name": pod["spec"]["containers"][0]["name"], "state": {"terminated": DONE}}
            body = {"status": {"phase": "Succeeded", "containerStatuses": [state]}}
            self.api.patch(f"/api/v1/namespaces/{self.namespace}/pods/{pod['metadata']['name']}/status", body)


def person(stage: Stage) -> None:
    stage.delete()
    stage.wait_gone()


def orphan(stage: Stage) -> None:
    stage.delete("Orphan")
    stage.wait_gone()


def replace(stage: Stage) -> None:
    found = stage.api.get(stage.path)
    stage.delete()
    stage.wait_gone()
    body = {key: found[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": {"name": stage.experiment_id}}
    stage.api.create(stage.path.rpartition("/")[0], body)


def unlabel(stage: Stage) -> None:
    stage.api.patch(stage.path, {"metadata": {"labels": {"submarine.apache.org/instance": None}}})
    stage.end()


def expire(stage: Stage) -> None:
    """Somebody else gives it a time to live, and it ends."""
    stage.api.patch(stage.path, {"spec": {"ttlSecondsAfterFinished": 0}})
    stage.end()
    stage.wait_gone()


@dataclass(frozen=True)
class Case:
    """What somebody does to an experiment, and what is told of it then: a status, or a reason and a pattern.

    ``away`` is what is told when it was done while no server ran.
    """

    act: Callable[[Stage], None]
    live: tuple[str, str]
    away: tuple[str, str]
    kind: str = "TFJob"
    runtime: Json | None = None


LEFT = r"somebody deleted the {} [\w-]+ and left its pods: worker-0, worker-1 run on. .*kubectl delete -n [\w-]+ {}/.*"
KIND = "an administrator removed {0} from the cluster, and all {0}s with it"
MASTER, REPLICA = {"master": 1}, {"kind": "master-0"}
INSTEAD = r"somebody put another TFJob in the place of [\w-]+, which is left alone"
NOT_KNOWN = (
    r"the TFJob [\w-]+ disappeared from the cluster while this server was away: whether it had ended, and who .*"
)
CASES = {
    "person": Case(
        person,
        ("ExternallyDeleted", r"somebody deleted the TFJob [\w-]+ from the cluster"),
        ("Lost", NOT_KNOWN),
    ),
    "orphan": Case(orphan, ("Orphaned", LEFT.format("TFJob", "pod")), ("Orphaned", LEFT.format("TFJob", "pod"))),
    "orphaned jobs": Case(
        orphan,
        ("Orphaned", LEFT.format("JobSet", "job")),
        ("Orphaned", LEFT.format("JobSet", "job")),
        kind="JobSet",
        runtime={"target": "jobset"},
    ),
    "another": Case(replace, ("Replaced", INSTEAD), ("Replaced", INSTEAD + AWAY)),
    "label": Case(unlabel, ("Succeeded", ""), ("Succeeded", ""), kind="Job"),
    "time to live": Case(
        expire,
        ("Succeeded", ""),
        ("ResultNotKept", r"the Job [\w-]+ ended and was removed while this server was away; .*'Completed: .*'"),
        kind="Job",
    ),
    "our time to live": Case(
        Stage.end, ("Succeeded", ""), ("Succeeded", ""), kind="Job", runtime={"ttlAfterFinished": 1}
    ),
}


def body_of(case: Case, **meta: str) -> Json:
    framework = "Standalone" if case.kind == "Job" else "TensorFlow"
    workers = 1 if case.kind == "Job" else 2
    body = spec(framework, {"worker": workers}, env=NEVER, runtime=case.runtime)
    return body | {"meta": body["meta"] | meta}


def staged(cluster: Cluster, server: ClusterServer, case: Case, **meta: str) -> Stage:
    """Submit an experiment."""
    experiment_id = server.submit(body_of(case, **meta))
    return Stage(cluster.api, meta.get("namespace", server.namespace), experiment_id, case.kind)


def wrong(server: ClusterServer, stage: Stage, expected: tuple[str, str]) -> str | None:
    """Return what is told of an experiment that has ended, if it is not what was expected."""
    found = server.ended(stage.experiment_id, 40)
    detail = found["detail"]
    if expected == (found["status"], ""):
        return None
    told = (found["status"], detail["reason"], detail["message"])
    fits = told[:2] == ("Failed", expected[0]) and re.fullmatch(expected[1], detail["message"] or "", re.DOTALL)
    return None if fits else f"{stage.experiment_id}: {told}, not {expected}"


def wait_logs_ended(server: ClusterServer, experiment_id: str) -> None:
    """Follow the logs to their end."""
    params = {"follow": "true"}
    with server.http.stream("GET", f"{server.url}/logs/{experiment_id}", params=params, timeout=30) as stream:
        assert any(line == "event: end" for line in stream.iter_lines())


def gaps(server: ClusterServer, experiment_id: str, replica: str) -> str | None:
    """Return the places where bytes of a log are missing."""
    answer = server.http.get(f"{server.url}/logs/{experiment_id}", params={"format": "raw", "replica": replica})
    answer.raise_for_status()
    found: str | None = answer.headers.get("Submarine-Log-Gaps")
    return found


def allow_everywhere(annex: Annex, namespace: str) -> None:
    """Give the service account of a namespace its rights in the whole cluster: such a one can read what never was."""
    role = next(item for item in yaml.safe_load_all((DEPLOY / "role.yaml").read_text()) if item["kind"] == "Role")
    meta, api = {"metadata": {"name": namespace}}, {"apiVersion": "rbac.authorization.k8s.io/v1"}
    annex.make(f"{RBAC}/clusterroles", {**api, "kind": "ClusterRole", **meta, "rules": role["rules"]})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": namespace}
    subjects = [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace}]
    binding = {**api, "kind": "ClusterRoleBinding", **meta, "roleRef": reference, "subjects": subjects}
    annex.make(f"{RBAC}/clusterrolebindings", binding)


@dataclass
class Removal:
    """Removes kinds of the Training Operator from the cluster, if nobody else uses it."""

    cluster: Cluster
    removed: list[Json]

    def remove(self, plural: str) -> None:
        path = f"{DEFINITIONS}/{plural}.kubeflow.org"
        self.removed.append(self.cluster.api.get(path))
        self.cluster.api.delete(path)
        wait("the kind to be gone", lambda: self.cluster.api.http.get(path).status_code == 404)

    def undo(self) -> None:
        for found in self.removed:
            body = {key: found[key] for key in ("apiVersion", "kind", "spec")}
            self.cluster.api.create(DEFINITIONS, body | {"metadata": {"name": found["metadata"]["name"]}})
        self.cluster.kill("training-operator")
        self.cluster.start("training-operator")


@pytest.fixture(scope="module")
def removal(cluster: Cluster) -> Iterator[Removal | None]:
    """Kinds that are removed are there again in the end; None where others may use the cluster."""
    made = None if lifecycle.given() else Removal(cluster, [])
    yield made
    if made is not None:
        made.undo()


@pytest.fixture
def absent(fake: ClusterServer) -> ClusterServer:
    """A server with a target for JobSets too; it is not started yet."""
    fake.more_targets = {"jobset": {**fake.target_options, "kinds": ["jobset"]}}
    return fake


@pytest.mark.timeout(240)
def test_a_cause_is_told_live(
    own_cluster: Cluster, absent: ClusterServer, annex: Annex, removal: Removal | None
) -> None:
    other = annex.namespace("kwok", account_in=absent.namespace)
    absent.with_options(namespaces=[absent.namespace, other]).ready()
    stages = {name: staged(own_cluster, absent, case) for name, case in CASES.items()}
    expected = {name: case.live for name, case in CASES.items()}
    stages["namespace"] = staged(own_cluster, absent, CASES["person"], namespace=other)
    expected["namespace"] = ("NamespaceDeleted", f"somebody deleted the namespace '{other}', and all in it")
    if removal is not None:
        stages["kind"] = Stage(own_cluster.api, absent.namespace, absent.submit(spec("XGBoost", MASTER, env=NEVER)))
        expected["kind"] = ("KindRemoved", KIND.format("XGBoostJob"))
    for stage in stages.values():
        absent.status(stage.experiment_id, "Running")
    own_cluster.api.delete(f"/api/v1/namespaces/{other}")
    if removal is not None:
        removal.remove("xgboostjobs")
    for name, case in CASES.items():
        case.act(stages[name])
    if removal is not None:
        # What is submitted before that is noticed becomes something else; nothing is in trouble for what is not there.
        for experiment_id in [absent.submit(spec("XGBoost", MASTER, env=NEVER)) for _ in range(2)]:
            absent.status(experiment_id, "Running")
        streams = absent.target()["health"]["streams"]
        assert not [stream for stream in streams if "xgboostjobs" in stream["path"] and stream["trouble"]]
    found = [wrong(absent, stages[name], expected[name]) for name in stages]
    assert not any(found), "\n".join(filter(None, found))
    for stage in stages.values():
        wait_logs_ended(absent, stage.experiment_id)
    orphaned = stages["orphan"]
    assert {pod["status"]["phase"] for pod in orphaned.pods()} == {"Running"}
    deleted = absent.http.delete(f"{absent.url}/{orphaned.experiment_id}")
    assert "run on. This server may not delete pods" in deleted.json()["attributes"]["note"]
    assert len(orphaned.pods()) == 2


@pytest.mark.timeout(240)
def test_a_cause_is_told_that_came_while_no_server_ran(
    own_cluster: Cluster, absent: ClusterServer, annex: Annex, removal: Removal | None
) -> None:
    other = annex.namespace("kwok")
    allow_everywhere(annex, absent.namespace)
    absent.with_options(namespaces=[absent.namespace, other]).ready()
    stages = {name: staged(own_cluster, absent, case) for name, case in CASES.items()}
    expected = {name: case.away for name, case in CASES.items()}
    stages["namespace"] = staged(own_cluster, absent, CASES["person"], namespace=other)
    expected["namespace"] = ("NamespaceDeleted", f"somebody deleted the namespace '{other}', and all in it{AWAY}")
    if removal is not None:
        stages["kind"] = Stage(own_cluster.api, absent.namespace, absent.submit(spec("PyTorch", MASTER, env=NEVER)))
        expected["kind"] = ("KindRemoved", KIND.format("PyTorchJob") + AWAY)
    for stage in stages.values():
        absent.status(stage.experiment_id, "Running")
    absent.kill()
    own_cluster.api.delete(f"/api/v1/namespaces/{other}")
    if removal is not None:
        removal.remove("pytorchjobs")
    for name, case in CASES.items():
        case.act(stages[name])
    stages["namespace"].wait_gone()
    absent.ready()
    found = [wrong(absent, stages[name], expected[name]) for name in stages]
    assert not any(found), "\n".join(filter(None, found))
    for name, stage in stages.items():
        wait_logs_ended(absent, stage.experiment_id)
        if expected[name][0] != "Succeeded":
            assert gaps(absent, stage.experiment_id, REPLICA.get(name, "worker-0")), name
    if removal is not None:  # what is new becomes something else
        absent.status(absent.submit(spec("PyTorch", MASTER, env=NEVER)), "Running")
