"""One bad object stops nobody: whatever it holds, all others go on, and it is named."""

from __future__ import annotations

import asyncio
import copy
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from submarine_jupyter import backoff
from submarine_jupyter.models import Status
from submarine_jupyter_server.targets.kubernetes.manifests.recognition.metadata import ATTEMPT, GENERATION, SPEC
from submarine_jupyter_server.targets.kubernetes.watch.cache import CollectionCache
from tests.targets.kubernetes.fault_server import FaultServer
from tests.targets.kubernetes.recordings import Recording
from tests.targets.kubernetes.small_cluster import JOBS, JOBSETS, PODS, TFJOBS, Attached, SmallCluster, attached, ended
from tests.targets.kubernetes.small_cluster import launch as launch_of

Json = dict[str, Any]
HEALTHY = "experiment-1647574374688-0001"
SOUND = "experiment-1647574374688-0009"
EVENTS = "/api/v1/namespaces/ns/events"
NAMES = ("crash", "success.jobs", "crash.jobset", "retries.jobs", "gpu", "queue", "drained", "deadline.jobset")
# The types that a field may not have, and values that are too much for what computes with them.
ODD: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(
        [None, True, -1, 10**30, 1e308, "", "x", "many", "9" * 5000, "-1", "9999-12-31T23:59:59Z", "é\u0000\ud800"]
    ),
    st.sampled_from([[], {}, [None], [[]], {"a": {"b": 1}}, ["x"] * 1000, "A" * 300_000, "../../etc", "*", "worker"]),
)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "SHORTEST_S", 0.01)
    monkeypatch.setattr(backoff, "LONGEST_S", 0.05)


def places(item: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where everything in an object is."""
    entries = item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ()
    for key, value in entries:
        yield (*at, key)
        yield from places(value, (*at, key))


def spoilt(item: Json, at: tuple[Any, ...], value: Any, *, missing: bool) -> Json:
    """Return an object with one field replaced, or left out; its name stays, or the API server would not have it."""
    found = copy.deepcopy(item)
    inner: Any = found
    for key in at[:-1]:
        inner = inner[key]
    if missing:
        del inner[at[-1]]
    else:
        inner[at[-1]] = value
    return found


@st.composite
def poisons(draw: st.DrawFn) -> list[tuple[str, Json]]:
    """Draw the objects of a recording, some of them spoilt, each with the collection it is in."""
    recording = Recording.load(draw(st.sampled_from(NAMES)))
    own = {"TFJob": TFJOBS, "JobSet": JOBSETS, "Job": JOBS}[recording.own["kind"]]
    items = [(own, recording.own), *((JOBS, job) for job in recording.jobs)]
    items += [*((PODS, pod) for pod in recording.pods), *((EVENTS, event) for event in recording.events[:5])]
    found = []
    for collection, item in items:
        kept = ("name", "namespace")
        at = draw(st.sampled_from([at for at in places(item) if at[:1] != ("metadata",) or at[-1] not in kept]))
        odd = spoilt(item, at, draw(ODD), missing=draw(st.booleans())) if draw(st.booleans()) else item
        odd["metadata"] = (
            odd["metadata"] if isinstance(odd.get("metadata"), dict) else {"name": item["metadata"]["name"]}
        )
        odd["metadata"] |= {"name": item["metadata"]["name"], "namespace": "ns"}
        found.append((collection, odd))
    return found


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(poisons())
def test_whatever_an_object_holds_all_others_go_on(poison: list[tuple[str, Json]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_beside(Path(folder), lambda cluster: [cluster.put(*one) for one in poison]))


@pytest.mark.parametrize(
    "notes",
    [
        {ATTEMPT: "many"},
        {ATTEMPT: "9" * 5000},
        {GENERATION: "-1"},
        {SPEC: "nonsense"},
        {SPEC: "H4sIAAAAAAAA/w=="},
        {"submarine.apache.org/accepted-ms": str(10**30)},
        {"submarine.apache.org/owner": "o" * 200_000},
        {"submarine.apache.org/uid": ""},
    ],
)
async def test_annotations_of_every_shape_on_an_own_object(tmp_path: Path, notes: dict[str, str]) -> None:
    """These anybody with the right to annotate can write."""

    def poison(cluster: SmallCluster) -> None:
        own = copy.deepcopy(Recording.load("crash").own)
        own["metadata"] |= {"namespace": "ns"}
        own["metadata"]["annotations"] |= notes
        cluster.put(TFJOBS, own)

    await _beside(tmp_path, poison)


async def _beside(folder: Path, poison: Callable[[SmallCluster], object]) -> None:
    """Have one experiment run to its end and another one begin and stop beside bad objects, also after a restart."""
    healthy = launch_of(experiment_id=HEALTHY, uid="healthy")
    async with FaultServer() as server:
        cluster = SmallCluster(server)
        async with attached(cluster, folder) as made:
            await made.ready()
            await made.target.ensure(healthy)
            poison(cluster)
            cluster.pod(healthy)
            await made.until(lambda: _status(made, HEALTHY) == Status.RUNNING)
            await _reported(made)
        async with attached(cluster, folder) as made:
            await made.ready()
            await _reported(made)
            cluster.pod(healthy, terminated={"exitCode": 0, "finishedAt": "2026-11-28T00:00:00Z"})
            cluster.status(TFJOBS, HEALTHY, ended())
            await made.until(lambda: _status(made, HEALTHY) == Status.SUCCEEDED)
            other = launch_of(experiment_id=SOUND, uid="sound")
            await made.target.ensure(other)
            await made.target.stop(other)
            assert next(one for one in reversed(made.observations) if one.experiment_id == SOUND).reason == "Stopped"
            json.dumps(made.target.health())


def _status(made: Attached, experiment_id: str) -> Status | None:
    return next((one.status for one in reversed(made.observations) if one.experiment_id == experiment_id), None)


async def _reported(made: Attached) -> None:
    """The healthy one is in the inventory, and whatever is said of the bad one can be stored."""
    found = {item.experiment_id: item for item in (await made.target.inventory()).found}
    assert found[HEALTHY].made is not None
    for item in found.values():
        if item.launch is not None:
            assert max(item.launch.attempt, item.launch.generation, item.launch.accepted_ms) < 2**63
    assert {HEALTHY} <= set(found) <= {HEALTHY, SOUND}


def test_what_cannot_be_taken_in_is_set_aside() -> None:
    """The fault may be in what follows the projection, too: the stream goes on, and it is named."""
    taken: list[str] = []

    def changed(name: str, old: int | None, new: int | None) -> None:
        if name == "bad":
            raise ZeroDivisionError("of course")
        taken.append(name)

    mirror: CollectionCache[int] = CollectionCache("pods", lambda item: int(item["value"]), changed)
    for name in ("a", "bad", "b"):
        mirror.put({"metadata": {"name": name, "uid": name, "resourceVersion": "1"}, "value": 1})
    mirror.end("1")
    assert taken == ["a", "b"]
    assert mirror.quarantined == {"bad": "ZeroDivisionError: of course"}
