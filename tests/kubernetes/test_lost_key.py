"""The key is lost while the database is there: what the database has goes on."""

from __future__ import annotations

import pytest

from tests.cluster.cluster import Cluster
from tests.kubernetes.server import ClusterServer, spec
from tests.kubernetes.things import everything


@pytest.mark.timeout(240)
def test_a_lost_key_changes_nothing_for_what_the_database_has(fake: ClusterServer, cluster: Cluster) -> None:
    server = fake.with_options(log_collection="on-demand").ready()
    ids = [server.submit(spec("Standalone", {"worker": 1}, env={"FAKE_EXIT_CODE": "never"})) for _ in range(3)]
    before = [server.status(experiment_id, "Running") for experiment_id in ids]
    server.kill()
    (server.data / "signing.key").unlink()
    server.ready()
    server.status(server.submit(spec("Standalone", {"worker": 1}, env={"FAKE_EXIT_CODE": "never"})), "Running")
    after = [server.get(experiment_id) for experiment_id in ids]
    assert [(row["status"], row["runningTime"]) for row in after] == [
        (row["status"], row["runningTime"]) for row in before
    ]
    assert server.target()["health"]["strangers"]["count"] == 0
    server.result("POST", f"/{ids[0]}/stop")
    assert server.status(ids[0], "Failed")["detail"]["reason"] == "Stopped"
    server.result("DELETE", f"/{ids[1]}")
    jobs = [thing.id for thing in everything(cluster.api, server.namespace).values() if thing.plural == "jobs"]
    assert ids[2] in jobs
