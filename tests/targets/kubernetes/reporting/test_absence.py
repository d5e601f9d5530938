"""Each cause of absence leaves its traces, and is told by them; without traces it is not known."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from submarine_jupyter.errors import TargetUnavailable
from submarine_jupyter_server.targets.kubernetes.api.cluster import Cluster
from submarine_jupyter_server.targets.kubernetes.reporting.absence import (
    Absences,
    Facts,
    Orphans,
    Trace,
    decide,
    decisive,
)
from submarine_jupyter_server.targets.protocol import Absence, ObjectRef
from tests.targets.kubernetes.fault_server import FaultServer, Request, Script, answer, error, plain
from tests.targets.kubernetes.small_cluster import ID, JOBS, PODS, TFJOBS, Json, SmallCluster

TFJOB = ObjectRef("TFJob", "ns", ID, "uid-1")
JOBSET = ObjectRef("JobSet", "ns", ID, "uid-1")
EVENTS, CONFIGMAPS = "/api/v1/namespaces/ns/events", "/api/v1/namespaces/ns/configmaps"
TERMINATING = "unable to create new content in namespace ns because it is being terminated"
NO_RIGHT = 'User "u" cannot get resource "tfjobs" in API group "kubeflow.org" in the namespace "ns"'
WATCHED, AWAY = Trace(watched=True), Trace()
LEFT = Orphans(("worker-0", "worker-1"), ("pod/a", "pod/b"))
MANY = Orphans(tuple(f"worker-{i}" for i in range(9)), tuple(f"pod/{i}" for i in range(9)))
ONE = f"the TFJob {ID}"
INSTEAD = f"somebody put another TFJob in the place of {ID}, which is left alone"
UNKNOWN = "; whether it had ended by then is not known"

TOLD: list[tuple[Facts, Trace, str, str]] = [
    (
        Facts(served=False),
        WATCHED,
        "KindRemoved",
        "an administrator removed TFJob from the cluster, and all TFJobs with it",
    ),
    (Facts(served=False), AWAY, "KindRemoved", f"... and all TFJobs with it{UNKNOWN}"),
    (Facts(namespace_deleted=True), WATCHED, "NamespaceDeleted", "somebody deleted the namespace 'ns', and all in it"),
    (Facts(namespace_deleted=True, orphans=LEFT), AWAY, "NamespaceDeleted", f"... and all in it{UNKNOWN}"),
    (
        Facts(orphans=LEFT),
        WATCHED,
        "Orphaned",
        (
            f"somebody deleted {ONE} and left its pods: worker-0, worker-1 run on. "
            "This server may not delete pods; to end them: kubectl delete -n ns pod/a pod/b"
        ),
    ),
    (Facts(orphans=MANY), AWAY, "Orphaned", "... kubectl delete -n ns pod/0 pod/1 pod/2 pod/3 pod/4 ..."),
    (Facts(replaced=True), WATCHED, "Replaced", INSTEAD),
    (Facts(), WATCHED, "ExternallyDeleted", f"somebody deleted {ONE} from the cluster"),
    (Facts(readable=False), WATCHED, "Lost", "... may no longer read namespace 'ns': who did it is not known"),
    (
        Facts(ended="Completed: Job completed"),
        AWAY,
        "ResultNotKept",
        (
            f"{ONE} ended and was removed while this server was away; "
            "what the cluster noted last of it is 'Completed: Job completed'"
        ),
    ),
    (
        Facts(),
        Trace(expires=True),
        "ResultNotKept",
        (
            f"{ONE} ended while this server did not observe it, and was removed after its time to live; "
            "how it ended is not known"
        ),
    ),
    (
        Facts(),
        AWAY,
        "Lost",
        (
            f"{ONE} disappeared from the cluster while this server was away: "
            "whether it had ended, and who removed it, is not known"
        ),
    ),
]


@pytest.mark.parametrize(("facts", "trace", "reason", "message"), TOLD)
def test_each_cause_has_its_sentence(facts: Facts, trace: Trace, reason: str, message: str) -> None:
    found = decide(TFJOB, facts, trace)
    assert found.reason == reason
    assert (
        found.message.endswith(message.removeprefix("...")) if message.startswith("...") else found.message == message
    )
    # Nobody is accused of what may have gone by itself.
    assert trace.watched or "somebody deleted the TFJob" not in found.message or facts.orphans.objects


def test_nothing_is_told_of_what_may_not_be_read() -> None:
    with pytest.raises(TargetUnavailable, match="may not read namespace 'ns'"):
        decide(TFJOB, Facts(readable=False), AWAY)


def test_the_cause_that_tells_most_counts() -> None:
    """A removed kind answers like a deleted object for seconds, and of a namespace soon nothing can be read."""
    plain_one, lost = Absence("ExternallyDeleted", ""), Absence("Lost", "")
    kind, namespace = Absence("KindRemoved", ""), Absence("NamespaceDeleted", "")
    assert decisive(plain_one, kind) is kind
    assert decisive(namespace, lost) is namespace
    assert decisive(lost, plain_one) is plain_one


@dataclass(frozen=True)
class Asked:
    """A small cluster, and who asks it."""

    cluster: SmallCluster
    absences: Absences

    async def why(self, ref: ObjectRef = TFJOB, trace: Trace = WATCHED) -> Absence | None:
        return await self.absences.why(ref, ID, trace)

    async def reason(self, ref: ObjectRef = TFJOB, trace: Trace = WATCHED) -> str | None:
        found = await self.why(ref, trace)
        return None if found is None else found.reason


@asynccontextmanager
async def asking(folder: Path) -> AsyncIterator[Asked]:
    """Ask a small cluster on which there is nothing."""
    async with (
        FaultServer() as server,
        await Cluster.connect(kubeconfig=server.kubeconfig(folder, token="secret")) as cluster,
    ):
        yield Asked(SmallCluster(server), Absences(cluster))


def pod(cluster: SmallCluster, owner: str | None, index: int = 0, **meta: Any) -> None:
    """Make a pod of a replica; ``owner`` is the uid of what it belongs to."""
    owners = [{"uid": owner, "controller": True}] if owner else None
    item = {"metadata": {"name": f"{ID}-worker-{index}", "ownerReferences": owners, **meta}}
    cluster.put(PODS, item | {"spec": {"containers": []}, "status": {"phase": "Running"}})


def job(cluster: SmallCluster, name: str, owner: str | None) -> str:
    """Make a Job of the experiment; return its uid."""
    owners = [{"uid": owner, "controller": True}] if owner else None
    meta: Json = {"name": name, "labels": {}, "ownerReferences": owners}
    return str(cluster.put(JOBS, {"metadata": meta})["metadata"]["uid"])


async def test_what_is_there_is_not_absent(tmp_path: Path) -> None:
    """Only its labels were taken away."""
    async with asking(tmp_path) as asked:
        uid = asked.cluster.put(TFJOBS, {"metadata": {"name": ID}})["metadata"]["uid"]
        assert await asked.reason(ObjectRef("TFJob", "ns", ID, uid)) is None
        assert await asked.reason(TFJOB) == "Replaced"


async def test_a_person(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        assert await asked.reason() == "ExternallyDeleted"
        assert await asked.reason(trace=AWAY) == "Lost"


async def test_a_kind_that_is_removed(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        groups: Json = {"groups": [{"versions": [{"groupVersion": "kubeflow.org/v1"}]}]}

        def rule(request: Request) -> Script | None:
            if request.path.startswith(TFJOBS):
                return plain(404)
            return answer(groups) if request.path == "/apis" else None

        asked.cluster.rule = rule
        with pytest.raises(TargetUnavailable):  # its kind is served all the same
            await asked.why()
        asked.cluster.served["/apis/kubeflow.org/v1"] = ["PyTorchJob"]
        assert await asked.reason() == "KindRemoved"
        groups["groups"].clear()
        assert await asked.reason() == "KindRemoved"


async def test_a_proxy_that_finds_nothing_removes_no_kind(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        asked.cluster.rule = lambda request: plain(404)
        with pytest.raises(TargetUnavailable):
            await asked.why()


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (error(403, "Forbidden", f'configmaps "{ID}" is forbidden: {TERMINATING}'), "NamespaceDeleted"),
        (error(404, "NotFound", 'namespaces "ns" not found'), "NamespaceDeleted"),
        (error(403, "Forbidden", 'User "u" cannot create resource "configmaps"'), "ExternallyDeleted"),
        (error(403, "Forbidden", "exceeded quota: q"), "ExternallyDeleted"),
        (error(409, "AlreadyExists", "exists"), "ExternallyDeleted"),
    ],
)
async def test_a_namespace_says_itself_that_it_is_deleted(tmp_path: Path, script: Script, reason: str) -> None:
    async with asking(tmp_path) as asked:
        asked.cluster.rule = lambda request: script if request.path == CONFIGMAPS else None
        assert await asked.reason() == reason
        assert [request.query["dryRun"] for request in asked.cluster.server.to(CONFIGMAPS, "POST")] == ["All"]


async def test_pods_without_an_owner_are_orphans(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        pod(asked.cluster, None, 0)
        pod(asked.cluster, "uid-1", 1)  # its end is near: its owner is gone, and was not told to let it be
        pod(asked.cluster, None, 2, deletionTimestamp="2026-11-28T00:00:00Z")
        found = await asked.why(TFJOB, AWAY)
        assert found is not None
        assert (found.reason, found.message[-len(f"pod/{ID}-worker-0") :]) == ("Orphaned", f"pod/{ID}-worker-0")
        assert "worker-0 runs on" in found.message


async def test_the_jobs_of_an_orphaned_job_set_have_to_be_deleted(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        pod(asked.cluster, job(asked.cluster, f"{ID}-worker-0", None))
        found = await asked.why(JOBSET, WATCHED)
        assert found is not None
        assert found.message.endswith(f"kubectl delete -n ns job/{ID}-worker-0")


async def test_what_is_in_its_place_has_pods_of_its_own(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        ref = ObjectRef("Job", "ns", f"{ID}-worker", "uid-1")
        pod(asked.cluster, job(asked.cluster, ref.name, None))
        assert await asked.reason(ref) == "Replaced"


async def test_events_tell_that_it_ended(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        noted = [("SuccessfulCreate", "Created pod"), ("Completed", "Job completed")]
        for i, (reason, message) in enumerate(noted):
            about = {"kind": "TFJob", "name": ID, "uid": "uid-1"}
            asked.cluster.put(
                EVENTS, {"metadata": {"name": f"e{i}"}, "involvedObject": about, "reason": reason, "message": message}
            )
        found = await asked.absences.why(TFJOB, ID, AWAY)
        assert found is not None
        assert (found.reason, found.message[-26:]) == ("ResultNotKept", "'Completed: Job completed'")
        assert asked.cluster.server.to(EVENTS)[0].query["fieldSelector"] == "involvedObject.uid=uid-1"


async def test_what_may_not_be_listed_says_nothing(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        asked.cluster.denied = {("list", "events"), ("list", "pods"), ("list", "jobs")}
        assert await asked.reason() == "ExternallyDeleted"


@pytest.mark.parametrize("script", [error(500, "InternalError"), error(403, "Forbidden", NO_RIGHT)])
async def test_who_does_not_answer_has_said_nothing(tmp_path: Path, script: Script) -> None:
    async with asking(tmp_path) as asked:

        def rule(request: Request) -> Script | None:
            return script if request.path.startswith(TFJOBS) else None

        asked.cluster.rule = rule
        with pytest.raises(TargetUnavailable):
            await asked.reason(trace=AWAY)


async def test_a_stream_that_told_the_end_is_believed_without_the_right_to_ask(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        asked.cluster.denied = {("get", "tfjobs")}
        assert await asked.reason() == "Lost"
