"""Events, replicas, metrics and idempotency keys are kept as given."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, replace

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.curves import points
from submarine_jupyter_server.store.curves.points import Chosen
from submarine_jupyter_server.store.experiments import ExperimentRow, NewExperiment
from submarine_jupyter_server.store.orders import idempotency
from submarine_jupyter_server.store.reported import events, metrics, replicas
from submarine_jupyter_server.targets.protocol import ReplicaState


@pytest.fixture
def row(tx: Connection, new: Callable[..., NewExperiment]) -> ExperimentRow:
    return experiments.insert(tx, new())


def test_events_come_in_order(tx: Connection, row: ExperimentRow, new: Callable[..., NewExperiment]) -> None:
    other = experiments.insert(tx, new())
    assert events.last_seq(tx) == 0
    one = events.append(tx, row.id, type="status", status="Running", reason="r", message="m", data={"a": [1]}, at=5)
    two = events.append(tx, other.id, type="status")
    three = events.append(tx, row.id, type="deleted")
    assert one < two < three == events.last_seq(tx)
    assert [event.seq for event in events.after(tx, one, 10)] == [two, three]
    assert [event.seq for event in events.after(tx, 0, 10, row.id)] == [one, three]
    assert [event.seq for event in events.after(tx, 0, 1)] == [one]
    assert [event.seq for event in events.of(tx, row.id, 1)] == [three]
    first = events.of(tx, row.id, 10)[0]
    assert asdict(first) == {
        "seq": one, "experiment_id": row.id, "at": 5, "type": "status", "status": "Running",
        "reason": "r", "message": "m", "data": {"a": [1]}, "owner": "ada",
    }  # fmt: skip
    assert events.purge(tx, 6) == 1
    assert [event.seq for event in events.after(tx, 0, 10)] == [two, three]


def test_an_event_number_is_never_used_twice(tx: Connection, row: ExperimentRow) -> None:
    last = events.append(tx, row.id, type="status", at=1)
    events.purge(tx, 2)
    assert events.append(tx, row.id, type="status") > last


def test_replicas_are_kept_as_seen(tx: Connection, row: ExperimentRow) -> None:
    worker = ReplicaState("worker-0", "Worker", 0, "Running", node="n1", pid=7, started_ms=5)
    chief = ReplicaState("chief-0", "Chief", 0, "Waiting")
    assert replicas.upsert(tx, row.id, 1, (worker, chief))
    assert not replicas.upsert(tx, row.id, 1, (chief, worker))
    assert [asdict(found) for found in replicas.of(tx, row.id, 1)] == [asdict(chief), asdict(worker)]
    ended = replace(worker, status="Failed", exit_code=137, signal="SIGKILL", message="out of memory", finished_ms=9)
    assert replicas.upsert(tx, row.id, 1, (ended,))
    assert asdict(replicas.of(tx, row.id, 1)[1]) == asdict(ended)
    assert replicas.of(tx, row.id, 2) == []


def test_a_text_of_a_pod_that_cannot_be_stored_as_it_is_is_news_once(tx: Connection, row: ExperimentRow) -> None:
    worker = ReplicaState("worker-0", "Worker", 0, "Failed", reason="E\0", message="a\0\ud800")
    assert replicas.upsert(tx, row.id, 1, (worker,))
    assert not replicas.upsert(tx, row.id, 1, (worker,))
    assert (replicas.of(tx, row.id, 1)[0].reason, replicas.of(tx, row.id, 1)[0].message) == ("E\\x00", "a\\x00\\ud800")


def test_replicas_sort_by_index_as_numbers(tx: Connection, row: ExperimentRow) -> None:
    replicas.upsert(tx, row.id, 1, [ReplicaState(f"worker-{n}", "Worker", n, "Running") for n in (10, 2, 1)])
    assert [found.index for found in replicas.of(tx, row.id, 1)] == [1, 2, 10]


def test_metrics_and_the_position_move_together(tx: Connection, row: ExperimentRow) -> None:
    assert metrics.positions(tx, row.id, 1) == {}
    assert metrics.record(tx, row.id, 1, "worker-0", 100, [("loss", 0.5, 1, 10), ("loss", 0.25, 2, 20)])
    assert not metrics.record(tx, row.id, 1, "worker-0", 100, [("loss", 0.5, 1, 10)])
    assert not metrics.record(tx, row.id, 1, "worker-0", 50, [("loss", 0.5, 1, 10)])
    assert metrics.record(tx, row.id, 1, "worker-1", 7, [("loss", 9.0, None, 30)])
    assert metrics.record(tx, row.id, 1, "worker-0", 150, [])
    assert metrics.positions(tx, row.id, 1) == {"worker-0": 150, "worker-1": 7}
    assert [(m.replica, m.value) for m in points.after(tx, Chosen(experiment_id=row.id, attempt=1))] == [
        ("worker-0", 0.5), ("worker-0", 0.25), ("worker-1", 9.0),
    ]  # fmt: skip
    one = Chosen(experiment_id=row.id, attempt=1, names=("loss",), replica="worker-0")
    assert [m.value for m in points.after(tx, one, limit=1)] == [0.25]
    assert points.after(tx, Chosen(experiment_id=row.id, attempt=2)) == []


@pytest.mark.parametrize(
    ("value", "step", "kept"),
    [
        (math.nan, 1, (None, 1)),
        (math.inf, None, (None, None)),
        (-math.inf, 0, (None, 0)),
        (1e308, 2**63, (1e308, None)),
        (5e-324, -(2**63), (5e-324, -(2**63))),
    ],
)
def test_odd_numbers_are_kept_as_far_as_can_be(
    tx: Connection, row: ExperimentRow, value: float, step: int | None, kept: tuple[float | None, int | None]
) -> None:
    metrics.record(tx, row.id, 1, "w", 1, [("loss", value, step, 1)])
    [found] = points.after(tx, Chosen(experiment_id=row.id, attempt=1))
    assert (found.value, found.step) == kept


def test_the_first_use_of_a_key_counts(tx: Connection, row: ExperimentRow) -> None:
    def claim(owner: str, body: str) -> idempotency.IdempotencyRow | None:
        return idempotency.claim(
            tx, owner=owner, key="k", path="p", body_hash=body, experiment_id=row.id, response=body, created=5
        )

    assert idempotency.find(tx, "ada", "k") is None
    assert claim("ada", "one") is None
    first = claim("ada", "two")
    assert first is not None
    assert (first.body_hash, first.response, first.experiment_id) == ("one", "one", row.id)
    assert claim("grace", "two") is None
    assert idempotency.purge(tx, 5) == 0
    assert idempotency.purge(tx, 6) == 2
    assert idempotency.find(tx, "ada", "k") is None


def test_nothing_is_stored_for_an_experiment_that_is_not_there(tx: Connection) -> None:
    with pytest.raises(IntegrityError):
        events.append(tx, "experiment-1-9999", type="status")
