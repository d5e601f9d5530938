"""Experiments in the queues of a real Kueue, as a person sees them through the REST API."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.kueue import API, Queues
from tests.kubernetes.annex import Annex
from tests.kubernetes.server import ClusterServer, spec

Json = dict[str, Any]

KINDS = {  # kind: what becomes it
    "jobset": ("TensorFlow", "worker"),
    "indexed-jobs": ("Standalone", "worker"),
    "tfjob": ("TensorFlow", "worker"),
    "pytorchjob": ("PyTorch", "master"),
}
PRIORITIES = "/apis/scheduling.k8s.io/v1/priorityclasses"
ONE_MORE = "1 cpu more has to become free"


@pytest.fixture
def team(queues: Queues, fake: ClusterServer) -> Iterator[ClusterServer]:
    """A server that runs on a cluster with Kueue, with a target for each kind."""
    # A log of KWOK goes on after its pod: to keep it would take until the target stops waiting for its end.
    options = fake.with_options(log_collection="on-demand").target_options
    fake.more_targets = {kind: {**options, "kinds": [kind.replace("-", "_")]} for kind in KINDS}
    yield fake.ready()
    for found in fake.result("GET"):
        fake.result("DELETE", f"/{found['experimentId']}")


def submit(server: ClusterServer, queue: str, kind: str = "jobset", *, cpu: int = 1, gpu: int = 0, **more: Any) -> str:
    framework, role = KINDS[kind]
    resources = f"cpu={cpu},memory=64M{f',nvidia.com/gpu={gpu}' if gpu else ''}"
    runtime = {"queue": queue, "target": kind, **more}
    body = spec(framework, {role: 1}, name=kind, resources=resources, runtime=runtime, env={"FAKE_EXIT_CODE": "never"})
    return server.submit(body)


def see(server: ClusterServer, experiment_id: str, state: str, reason: str | None, message: str | None) -> Json:
    """Wait until this is what a person reads of an experiment; ``message`` is a pattern."""

    def reads(found: Json) -> bool:
        detail = found["detail"]
        same = (
            re.fullmatch(message, detail["message"]) if message and detail["message"] else message is detail["message"]
        )
        return (detail["state"], detail["reason"]) == (state, reason) and bool(same)

    return server.until(experiment_id, reads, f"{state}, {reason}: {message}", 30)


def queue_of(kind: str) -> str:
    return f"of-{kind}"


@pytest.mark.timeout(240)
def test_each_kind_waits_for_its_turn_and_gives_way(team: ClusterServer, queues: Queues, annex: Annex) -> None:
    annex.make(PRIORITIES, {"metadata": {"name": team.namespace}, "value": 1000})

    def story(kind: str) -> None:
        queue = queue_of(kind)
        queues.make(team.namespace, queue, cpu="1", memory="1Gi")
        first = submit(team, queue, kind)
        team.status(first, "Running")
        # Who came first Kueue tells by the second in which it came.
        time.sleep(1)
        second = submit(team, queue, kind)
        see(team, second, "Queued", "Queued", f"it waits in the queue '{queue}', place 1 of 1: {ONE_MORE}")
        urgent = submit(team, queue, kind, priority=team.namespace)
        gave_way = (
            rf"it gave way at \d\d:\d\d to one of higher priority, and waits in the queue '{queue}', place 1 of 2"
        )
        found = see(team, first, "Queued", "Queued", gave_way)
        assert found["status"] == "Running"
        team.status(urgent, "Running")
        team.result("DELETE", f"/{urgent}")
        see(team, first, "Running", None, None)
        found = team.until(first, lambda found: found["detail"]["replicas"][0]["status"] == "Running", "its replica")
        assert (found["detail"]["replicas"][0]["restarts"], found["detail"]["notes"]) == (0, [])
        team.result("DELETE", f"/{first}")
        see(team, second, "Running", None, None)

    with ThreadPoolExecutor(len(KINDS)) as pool:
        list(pool.map(story, KINDS))


@pytest.mark.timeout(240)
def test_each_reason_of_a_queue_is_told(cluster: Cluster, team: ClusterServer, queues: Queues) -> None:
    namespace = team.namespace
    local, workloads = (f"{API}/namespaces/{namespace}/{kind}" for kind in ("localqueues", "workloads"))
    kept = queues.make(namespace, "small", cpu="1", memory="1Gi")
    queues.make(namespace, "held", cpu="1", memory="1Gi")
    queues.make(namespace, "open", cpu="1", memory="1Gi")
    behind = queues.make(namespace, "halted", cpu="1", memory="1Gi")
    cluster.api.patch(f"{local}/held", {"spec": {"stopPolicy": "Hold"}})
    cluster.api.patch(f"{API}/clusterqueues/{behind}", {"spec": {"stopPolicy": "Hold"}})
    queues.link(namespace, "lost", "nowhere")
    halted = f"'{behind}', the ClusterQueue of the queue 'halted', is stopped or set up only in part: it waits"
    closed = "an administrator has stopped the queue '{}': it waits until that is over"
    held = submit(team, "held")
    cases = {
        submit(team, "small", cpu=2): (
            "QueueTooSmall",
            "it asks for 2 cpu, and the queue 'small' never has more than 1",
        ),
        submit(team, "small", gpu=1): (
            "QueueTooSmall",
            "it asks for nvidia.com/gpu, and the queue 'small' has none at all",
        ),
        submit(team, "none"): ("NoQueue", "there is no queue 'none' in this namespace"),
        submit(team, "lost"): ("NoQueue", "the queue 'lost' leads nowhere: its ClusterQueue 'nowhere' does not exist"),
        held: ("QueueStopped", closed.format("held")),
        submit(team, "halted"): ("QueueStopped", f"{halted} until that is over"),
    }
    without = submit(team, "open", priority="urgent")
    first = submit(team, "open")
    for experiment_id, (reason, message) in cases.items():
        see(team, experiment_id, "Waiting", reason, re.escape(message))
    # What runs may be stopped with its queue, and be taken out by hand.
    team.status(first, "Running")
    cluster.api.patch(f"{local}/open", {"spec": {"stopPolicy": "HoldAndDrain"}})
    see(team, first, "Waiting", "QueueStopped", closed.format("open"))
    cluster.api.patch(f"{local}/open", {"spec": {"stopPolicy": "None"}})
    see(team, first, "Running", None, None)
    own = next(item for item in cluster.api.get(workloads)["items"] if item["spec"]["queueName"] == "open")
    cluster.api.patch(f"{workloads}/{own['metadata']['name']}", {"spec": {"active": False}})
    see(team, first, "Waiting", "Deactivated", "an administrator has taken it out of the queue 'open'")
    cluster.api.patch(f"{workloads}/{own['metadata']['name']}", {"spec": {"active": True}})
    see(team, first, "Running", None, None)
    # More quota lets in what was too much.
    quota = [{"name": "cpu", "nominalQuota": "2"}, {"name": "memory", "nominalQuota": "1Gi"}]
    group = {"coveredResources": ["cpu", "memory"], "flavors": [{"name": "default", "resources": quota}]}
    cluster.api.patch(f"{API}/clusterqueues/{kept}", {"spec": {"resourceGroups": [group]}})
    see(team, next(iter(cases)), "Running", None, None)
    # Who asks for a priority that is not there is never let in, and Kueue says nothing of it.
    unknown = (
        "Kueue does not manage JobSets here (not installed, or not for this namespace), or the cluster has no priority"
    )
    waits = f"it waits in the queue 'open', but {unknown} 'urgent' (runtime.priority)"
    see(team, without, "Waiting", "NoQueue", re.escape(waits))

    # A server that begins anew does not say that there is no queue before it has read what waits there.
    def known(found: Json) -> bool:
        target = next(item for item in team.targets() if item["name"] == "jobset")
        streams = {item["path"].rpartition("/")[2]: item["synced"] for item in target["health"]["streams"]}
        return bool(streams.get("workloads"))

    team.kill()
    team.ready()
    team.until(held, known, "what waits in queues")
    found = see(team, held, "Waiting", "QueueStopped", closed.format("held"))
    assert {event["reason"] for event in found["detail"]["events"]} <= {None, "Queued", "QueueStopped"}
