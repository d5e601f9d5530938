"""Parts of the control plane die again and again while people work: nothing is lost, doubled, or falsely told."""

from __future__ import annotations

import os
import random
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest

from tests.cluster.api import wait
from tests.cluster.cluster import Cluster
from tests.kubernetes.server import ClusterServer, left, spec
from tests.kubernetes.things import everything

FATES = ["scale"] * 25 + ["stop"] * 25 + ["delete"] * 25
KILLED = ["kube-apiserver"] * 7 + ["etcd"] * 3
# Those who make and end pods back off for up to a minute after an outage; begun anew they inspect everything at once.
SLOW = ("kube-controller-manager", "kube-scheduler", "training-operator", "kwok")
NEVER = {"FAKE_EXIT_CODE": "never"}


class Person:
    """Submits one experiment, with a key, and later scales, stops or deletes it; any answer but 200 is an error."""

    def __init__(self, server: ClusterServer, number: int, fate: str, pause_s: float) -> None:
        self.server = server
        self.number, self.fate, self.pause_s = number, fate, pause_s
        self.id = ""

    def submit(self) -> str:
        """Submit it: asked again, the answer is the same experiment."""
        return self.server.submit(self.body(1), headers={"Idempotency-Key": f"storm-{self.number}"})

    def body(self, workers: int) -> dict[str, Any]:
        """Return the experiment with so many workers: every other one that is not scaled is a plain Job."""
        kind = "TensorFlow" if self.fate == "scale" or self.number % 2 else "Standalone"
        return spec(kind, {"worker": workers}, env=NEVER)

    def act(self) -> None:
        """Do both."""
        self.id = self.submit()
        time.sleep(self.pause_s)
        if self.fate == "scale":
            self.server.result("PATCH", f"/{self.id}", json=self.body(3))
        elif self.fate == "stop":
            self.server.result("POST", f"/{self.id}/stop")
        else:
            self.server.result("DELETE", f"/{self.id}")


@contextmanager
def storm(cluster: Cluster, draw: random.Random) -> Iterator[None]:
    """Kill parts of the control plane, one after the other, and start each again after a while."""
    parts = draw.sample(KILLED, len(KILLED))

    def blow() -> None:
        for part in parts:
            cluster.kill(part)
            time.sleep(draw.uniform(0.5, 3))
            cluster.start(part)
            wait("the API server", lambda: cluster.api.text("/readyz") == "ok")
            time.sleep(draw.uniform(0, 1))

    thread = Thread(target=blow)
    thread.start()
    try:
        yield
    finally:
        thread.join()


@pytest.mark.timeout(300)
def test_ten_kills_while_people_work(own_cluster: Cluster, fake: ClusterServer) -> None:
    seed = os.environ.get("SUBMARINE_TEST_SEED") or secrets.token_hex(4)
    print(f"SUBMARINE_TEST_SEED={seed}")
    draw = random.Random(seed)
    fates = draw.sample(FATES, len(FATES))
    fake.with_options(log_collection="on-demand").ready()
    people = [Person(fake, number, fate, draw.uniform(0, 5)) for number, fate in enumerate(fates)]
    with storm(own_cluster, draw), ThreadPoolExecutor(6) as pool:
        list(pool.map(Person.act, people))
    for part in SLOW:
        own_cluster.kill(part)
        own_cluster.start(part)
    fake.wait_ok(60)
    assert [person.submit() for person in people] == [person.id for person in people], "a key made a second experiment"
    of = {fate: {person.id for person in people if person.fate == fate} for fate in FATES}
    rows = wait("the states", lambda: states(fake, of), seconds=100)
    assert len(rows) == len(of["scale"] | of["stop"])
    deadline = time.monotonic() + 60
    while amiss := without_three_workers(own_cluster, fake, of["scale"]):
        assert time.monotonic() < deadline, f"{amiss}\n{fake.log()}"
        time.sleep(0.5)
    assert owners(own_cluster, fake) == of["scale"]
    for experiment_id in of["scale"]:
        fake.result("DELETE", f"/{experiment_id}")
    wait("nothing to be left", lambda: left(own_cluster.api, fake.namespace) == [], seconds=60)


def states(server: ClusterServer, of: dict[str, set[str]]) -> dict[str, str]:
    """Return the status of every experiment once all are as they were ordered to be; nothing else may have failed."""
    found = {row["experimentId"]: row["status"] for row in server.result("GET")}
    failed = {key for key, status in found.items() if status == "Failed"}
    assert failed <= of["stop"], f"{failed - of['stop']} failed\n{server.log()}"
    wanted = {**dict.fromkeys(of["scale"], "Running"), **dict.fromkeys(of["stop"], "Failed")}
    if found != wanted:
        return {}
    assert {server.get(key)["detail"]["reason"] for key in of["stop"]} == {"Stopped"}
    return found


def without_three_workers(cluster: Cluster, server: ClusterServer, ids: set[str]) -> dict[str, object]:
    """Return what else is there than three pods of each experiment, or what else the server says of its workers."""
    pods = [thing for thing in everything(cluster.api, server.namespace).values() if thing.plural == "pods"]
    count = Counter(pod.id for pod in pods)
    if count != dict.fromkeys(ids, 3):
        return {
            key: [(pod.name, pod.raw["status"].get("phase"), pod.deleting) for pod in pods if pod.id == key]
            for key in ids | count.keys()
            if count[key] != (3 if key in ids else 0)
        }
    told = {key: [replica["status"] for replica in server.get(key)["detail"]["replicas"]] for key in ids}
    return {key: replicas for key, replicas in told.items() if replicas != ["Running"] * 3}


def owners(cluster: Cluster, server: ClusterServer) -> set[str]:
    """Return the experiments of which there are own objects on the cluster."""
    return {thing.id for thing in everything(cluster.api, server.namespace).values() if not thing.owners}
