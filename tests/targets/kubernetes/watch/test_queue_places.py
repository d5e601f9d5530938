"""The places in queues: asked once for all who wait in one, and never in vain."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from submarine_jupyter_server.targets.kubernetes.api.cluster import Cluster
from submarine_jupyter_server.targets.kubernetes.api.discovery import PLACES
from submarine_jupyter_server.targets.kubernetes.state.experiment_state import ExperimentState
from submarine_jupyter_server.targets.kubernetes.state.views import Place
from submarine_jupyter_server.targets.kubernetes.watch.queue_places import MOST, QueuePlaces, places_in
from tests.targets.kubernetes.fault_server import FaultServer, answer, error
from tests.targets.kubernetes.recordings import Recording

OWN = Recording.load("queue").snapshot().own
assert OWN is not None
PATH = f"/apis/{PLACES}/v1beta2/namespaces/{OWN.namespace}/localqueues/{OWN.queue}/pendingworkloads"


def waiting(uid: str) -> ExperimentState:
    assert OWN is not None
    state = ExperimentState(uid)
    state.own = replace(OWN, uid=uid)
    return state


def summary(*uids: str) -> dict[str, Any]:
    items = [
        {
            "metadata": {"name": uid, "ownerReferences": [{"uid": uid}]},
            "positionInLocalQueue": number,
            "positionInClusterQueue": 2 * number,
        }
        for number, uid in enumerate(uids)
    ]
    return {"items": items}


async def test_who_waits_has_a_place_and_one_request_serves_all(tmp_path: Path) -> None:
    async with FaultServer() as server, await Cluster.connect(kubeconfig=server.kubeconfig(tmp_path)) as cluster:
        server.on("GET", f"/apis/{PLACES}", answer({"preferredVersion": {"version": "v1beta2"}}))
        server.on("GET", PATH, answer(summary("b", "x", "a")))
        experiments = {uid: waiting(uid) for uid in "abc"}
        touched: list[str] = []
        asked = QueuePlaces(cluster, experiments, lambda state: touched.append(state.experiment_id))
        await asked.refresh()
        await asked.refresh()
        assert [item.place for item in experiments.values()] == [Place(3, 3, 5), Place(1, 3, 1), None]
        assert touched == ["a", "b"]
        assert len(server.to(PATH)) == 1
        experiments["d"] = waiting("d")  # who comes need not wait for the next round
        server.on("GET", PATH, answer(summary("a", "d")))
        await asked.refresh()
        assert len(server.to(PATH)) == 2
        assert experiments["d"].place == Place(2, 2, 3)
        own = experiments["a"].own
        assert own is not None
        experiments["a"].own = replace(own, suspended=False)
        await asked.refresh()
        assert experiments["a"].place is None


@pytest.mark.parametrize("script", [error(403, "Forbidden"), error(404, "NotFound"), answer({"items": [{}]})])
async def test_what_is_refused_or_makes_no_sense_is_not_asked_again_at_once(tmp_path: Path, script: Any) -> None:
    async with FaultServer() as server, await Cluster.connect(kubeconfig=server.kubeconfig(tmp_path)) as cluster:
        server.on("GET", f"/apis/{PLACES}", answer({"preferredVersion": {"version": "v1beta2"}}))
        server.on("GET", PATH, script)
        experiments = {"a": waiting("a")}
        asked = QueuePlaces(cluster, experiments, lambda state: None)
        await asked.refresh()
        experiments["b"] = waiting("b")
        await asked.refresh()
        assert (len(server.to(PATH)), experiments["a"].place) == (1, None)


async def test_nobody_is_asked_while_nobody_waits(tmp_path: Path) -> None:
    async with FaultServer() as server, await Cluster.connect(kubeconfig=server.kubeconfig(tmp_path)) as cluster:
        await QueuePlaces(cluster, {}, lambda state: None).refresh()
        assert server.requests == []


async def test_far_back_not_each_step_is_news(tmp_path: Path) -> None:
    async with FaultServer() as server, await Cluster.connect(kubeconfig=server.kubeconfig(tmp_path)) as cluster:
        server.on("GET", f"/apis/{PLACES}", answer({"preferredVersion": {"version": "v1beta2"}}))
        numbers: list[int] = []
        experiments = {"a": waiting("a")}
        asked = QueuePlaces(
            cluster, experiments, lambda state: numbers.append(state.place.number if state.place else 0)
        )
        for ahead in range(40, -1, -1):
            server.on("GET", PATH, answer(summary(*map(str, range(ahead)), "a", *map(str, range(50, 50 + ahead)))))
            experiments["more"] = waiting(f"more-{ahead}")  # who comes makes it ask again
            experiments["more"].experiment_id = f"more-{ahead}"
            await asked.refresh()
        assert numbers == [41, 39, 29, 19, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]


def test_of_a_long_queue_only_the_beginning_is_known() -> None:
    found = places_in(summary(*map(str, range(MOST))))
    assert found["7"] == Place(8, None, 15)
