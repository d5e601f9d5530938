"""What somebody else does to objects in the namespace: no other experiment is changed by it, and none of ours stays.

Every object of an experiment x everything that somebody with all rights in the namespace can do to it, while the server
runs or is down. A run tries all deeds, each on objects drawn by a seed, which is printed; SUBMARINE_TEST_SEED repeats
one, SUBMARINE_TEST_CASES is how many experiments are tried ("all": every pair).
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator

import pytest

from tests.cluster.api import wait
from tests.cluster.cluster import Cluster
from tests.kubernetes.annex import Annex
from tests.kubernetes.server import ClusterServer
from tests.kubernetes.things import everything
from tests.kubernetes.trial import Trial

LONGEST_S = 500 if "SUBMARINE_TEST_CASES" not in os.environ else 7200


@pytest.fixture
def trial(cluster: Cluster, fake: ClusterServer, annex: Annex) -> Iterator[Trial]:
    seed = os.environ.get("SUBMARINE_TEST_SEED") or secrets.token_hex(4)
    print(f"SUBMARINE_TEST_SEED={seed}")
    second = annex.namespace("kwok", account_in=fake.namespace)
    # Each log that KWOK streams takes one of the 128 inotify instances that a user has by default.
    fake.with_options(
        namespaces=[fake.namespace, second], kinds=["tfjob", "pytorchjob", "xgboostjob"], log_collection="on-demand"
    )
    fake.more_targets = {
        "jobset": {**fake.target_options, "kinds": ["jobset"]},
        "jobs": {**fake.target_options, "kinds": ["indexed_jobs"]},
    }
    made = Trial(cluster.api, fake, second, seed)
    made.begin()
    yield made
    for thing in everything(cluster.api, fake.namespace).values():
        if thing.stuck:
            cluster.api.patch(thing.path, {"metadata": {"finalizers": None}})


@pytest.mark.timeout(LONGEST_S)
def test_nothing_else_is_changed_and_nothing_of_ours_is_left(trial: Trial) -> None:
    live, down = trial.cases[::2], trial.cases[1::2]
    trial.do(live)
    trial.lives()
    trial.unchanged()
    trial.end(live[::2])
    trial.server.kill()
    trial.do(down)
    trial.server.ready()
    trial.lives()
    trial.unchanged()
    elsewhere = everything(trial.api, trial.second).keys()
    trial.end(live[1::2] + down)
    trial.lives()
    trial.unchanged()
    trial.left_alone()
    assert elsewhere <= everything(trial.api, trial.second).keys(), "something of the second namespace was removed"
    trial.named()
    trial.quiet()
    assert not trial.wrong, "\n".join(trial.wrong)


@pytest.mark.timeout(LONGEST_S)
def test_only_what_is_sealed_is_written_again(trial: Trial) -> None:
    trial.lose("database")
    trial.plant_look_alikes(200)
    trial.do(trial.cases)
    trial.server.ready()
    trial.lives()
    wait("what nobody touched", lambda: set(trial.bystanders.values()) <= trial.rows().keys(), seconds=60)
    known = trial.restored()
    trial.unchanged(of=trial.bystanders.values())
    trial.unchanged(of=known, fields=("uid", "spec"))
    restored = [case for case in trial.cases if case.id in known]
    trial.end(restored[::2])
    trial.left_alone()
    trial.lose("database", "key")
    trial.server.ready()
    trial.lives()
    assert trial.restored() == set()
    trial.left_alone()
    trial.named()
    trial.quiet()
    assert not trial.wrong, "\n".join(trial.wrong)
