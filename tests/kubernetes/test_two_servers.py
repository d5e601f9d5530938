"""Two servers of one instance name in one namespace: neither harms what is the other's."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.api import Api, wait
from tests.cluster.cluster import Cluster
from tests.kubernetes.server import ClusterServer, spec
from tests.kubernetes.things import belonging, everything

NEVER = {"FAKE_EXIT_CODE": "never"}
BODIES = [spec("TensorFlow", {"worker": 1}, env=NEVER), spec("Standalone", {"worker": 1}, env=NEVER)]
FIELDS = ("status", "uid", "spec", "acceptedTime", "createdTime", "runningTime", "finishedTime")


class Pair:
    """Two servers, and what each has submitted."""

    def __init__(self, api: Api, servers: list[ClusterServer]) -> None:
        self.api = api
        self.servers = servers
        self.ids: list[list[str]] = []

    def begin(self) -> None:
        """Start both, and let each run three of each kind."""
        for server in self.servers:
            server.ready()
        self.ids = [[server.submit(body) for body in 3 * BODIES] for server in self.servers]
        for server, ids in zip(self.servers, self.ids, strict=True):
            for experiment_id in ids:
                server.status(experiment_id, "Running", 120)
        wait("all to be written down", lambda: all(sealed(self.api, self.servers[0].namespace)), seconds=100)

    def own(self, which: int) -> dict[str, Any]:
        """Return what a server says of its own experiments."""
        rows = {row["experimentId"]: row for row in self.servers[which].result("GET")}
        return {key: {field: rows[key][field] for field in FIELDS} for key in self.ids[which] if key in rows}

    def others(self, which: int) -> set[str]:
        """Return the experiments a server shows that it was never given."""
        return {row["experimentId"] for row in self.servers[which].result("GET")} - set(self.ids[which])

    def strangers(self, which: int) -> set[str]:
        """Return which of the other's objects a server names as not its own."""
        health = json.dumps([target["health"] for target in self.servers[which].targets()])
        return {experiment_id for experiment_id in self.ids[1 - which] if experiment_id in health}

    def things(self, which: int) -> set[str]:
        """Return the uids of all that is on the cluster of a server's experiments."""
        found = everything(self.api, self.servers[0].namespace)
        roots = [uid for uid, thing in found.items() if thing.id in self.ids[which] and not thing.owners]
        return belonging(found, roots)


@pytest.fixture
def pair(cluster: Cluster, fake: ClusterServer, tmp_path: Path) -> Iterator[Callable[..., Pair]]:
    folder = tmp_path / "second"
    folder.mkdir()
    second = ClusterServer(
        folder, Path(str(fake.target_options["kubeconfig"])), fake.namespace, image="none.test/none:1"
    )
    key = tmp_path / "key"
    key.write_text(secrets.token_hex(32))

    def make(*, one_key: bool) -> Pair:
        for server in (fake, second):
            server.with_options(log_collection="on-demand")
            server.more = ("--SubmarineExtension.instance_name=ours",)
            server.more += (f"--SubmarineExtension.signing_key_file={key}",) if one_key else ()
        return Pair(cluster.api, [fake, second])

    yield make
    second.kill()
    second.http.close()


@pytest.mark.timeout(400)
def test_two_keys(pair: Callable[..., Pair]) -> None:
    both = pair(one_key=False)
    both.begin()
    first, second = both.servers
    for which in (0, 1):
        wait("the other's to be named", lambda which=which: both.strangers(which) == set(both.ids[1 - which]))  # type: ignore[misc]
    theirs, objects = both.own(1), both.things(1)
    first.result("POST", f"/{both.ids[0][0]}/stop")
    first.result("DELETE", f"/{both.ids[0][1]}")
    assert first.status(both.ids[0][0], "Failed")["detail"]["reason"] == "Stopped"
    for server in both.servers:
        server.kill()
    for server in both.servers:
        server.ready()
    first.status(first.submit(BODIES[0]), "Running")
    assert (both.own(1), both.things(1)) == (theirs, objects)
    lose_database(first)
    first.ready()
    wait("what runs to be found again", lambda: set(both.own(0)) == set(both.ids[0][2:]))
    wait("the other's to be named", lambda: both.strangers(0) == set(both.ids[1]))
    for row in first.result("GET"):
        first.result("DELETE", f"/{row['experimentId']}")
    wait("nothing of its own to be left", lambda: not both.things(0), seconds=60)
    assert both.others(0) | both.others(1) == set()
    assert (both.own(1), both.things(1)) == (theirs, objects)
    second.status(second.submit(BODIES[1]), "Running")


@pytest.mark.timeout(400)
def test_one_key(pair: Callable[..., Pair]) -> None:
    """Each may find the other's again as its own would be: it shows them, and gives no order of its own accord."""
    both = pair(one_key=True)
    both.begin()
    first, second = both.servers
    theirs, objects = both.own(1), both.things(1)
    first.result("POST", f"/{both.ids[0][0]}/stop")
    first.result("DELETE", f"/{both.ids[0][1]}")
    assert first.status(both.ids[0][0], "Failed")["detail"]["reason"] == "Stopped"
    mine = {key: row for key, row in both.own(0).items() if row["status"] == "Running"}
    for server in both.servers:
        server.kill()
    for server in both.servers:
        server.ready()
    first.status(first.submit(BODIES[0]), "Running")
    assert (both.own(1), both.things(1)) == (theirs, objects)
    assert {key: row for key, row in both.own(0).items() if row["status"] == "Running"} == mine
    lose_database(second)
    second.ready()
    wait("what runs to be found again", lambda: set(both.own(1)) == set(both.ids[1]))
    assert both.things(1) == objects
    for experiment_id in both.ids[1]:
        second.status(experiment_id, "Running", 120)
        second.result("DELETE", f"/{experiment_id}")
    wait("nothing of its own to be left", lambda: not both.things(1), seconds=60)
    assert {key: row for key, row in both.own(0).items() if row["status"] == "Running"} == mine


def sealed(api: Api, namespace: str) -> list[bool]:
    """Return of each own object whether its record is whole."""
    return [
        "submarine.apache.org/seal" in item.notes for item in everything(api, namespace).values() if not item.owners
    ]


def lose_database(server: ClusterServer) -> None:
    """Kill a server and take its database and the backups."""
    server.kill()
    for file in [*server.data.glob("submarine.db*"), *server.data.glob("backups/*")]:
        file.unlink()
