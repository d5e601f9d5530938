"""What was made is kept as it was named, until its experiment is purged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import Connection

from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.experiments import ExperimentRow, NewExperiment
from submarine_jupyter_server.store.orders import outbox
from submarine_jupyter_server.store.reported import objects
from submarine_jupyter_server.targets.protocol import Made, ObjectRef


@pytest.fixture
def row(tx: Connection, new: Callable[..., NewExperiment]) -> ExperimentRow:
    return experiments.insert(tx, new())


def made_for(row: ExperimentRow, *uids: str, attempt: int = 1) -> Made:
    refs = tuple(ObjectRef("Job", row.namespace, f"{row.id}-{uid}", uid) for uid in uids)
    return Made(row.id, row.uid, attempt, 3, refs)


def test_what_was_made_later_takes_the_place_of_what_was_made_before(tx: Connection, row: ExperimentRow) -> None:
    assert objects.of(tx, row.id) is None
    objects.put(tx, made_for(row, "b", "a", "c"))
    assert objects.of(tx, row.id) == made_for(row, "b", "a", "c")
    later = replace(made_for(row, "d", attempt=2), generation=7)
    objects.put(tx, later)
    assert objects.of(tx, row.id) == later
    objects.put(tx, made_for(row))
    assert objects.of(tx, row.id) is None


def test_each_target_gets_what_was_made_there(tx: Connection, new: Callable[..., NewExperiment]) -> None:
    rows = [experiments.insert(tx, new(target=target)) for target in ("a", "b", "a")]
    for number, row in enumerate(rows):
        objects.put(tx, made_for(row, f"{number}-1", f"{number}-2"))
    assert objects.all_of(tx, "a") == [made_for(rows[0], "0-1", "0-2"), made_for(rows[2], "2-1", "2-2")]
    assert objects.all_of(tx, "b") == [made_for(rows[1], "1-1", "1-2")]
    objects.erase(tx, rows[0].id)
    assert objects.all_of(tx, "a") == [made_for(rows[2], "2-1", "2-2")]


def test_what_ended_or_was_deleted_may_still_have_objects(tx: Connection, row: ExperimentRow) -> None:
    objects.put(tx, made_for(row, "a", "b"))
    assert objects.ended(tx, row.target) == {}
    experiments.advance(tx, row.id, uid=row.uid, attempt=1, status="Succeeded", at_ms=1)
    assert objects.ended(tx, row.target) == {row.id: row.namespace}
    order = outbox.put(tx, row, "delete")
    assert objects.ended(tx, row.target) == {}
    outbox.done(tx, order.seq)
    experiments.mark_deleted(tx, row.id, 1)
    assert objects.ended(tx, row.target) == {row.id: row.namespace}
    assert objects.ended(tx, "other") == {}


def test_what_is_gone_is_kept_and_not_inspected_again(tx: Connection, row: ExperimentRow) -> None:
    objects.put(tx, made_for(row, "a", "b"))
    experiments.advance(tx, row.id, uid=row.uid, attempt=1, status="Succeeded", at_ms=1)
    objects.lose(tx, row.id, 2)
    assert objects.ended(tx, row.target) == {}
    assert objects.all_of(tx, row.target) == []
    assert objects.of(tx, row.id) == made_for(row, "a", "b")
    objects.put(tx, made_for(row, "c"))
    assert objects.all_of(tx, row.target) == [made_for(row, "c")]


@pytest.mark.parametrize("how", ["scrubbed", "forgotten"])
def test_nothing_is_left_of_what_is_purged(tx: Connection, row: ExperimentRow, how: str) -> None:
    objects.put(tx, made_for(row, "a"))
    experiments.mark_deleted(tx, row.id, 1)
    if how == "scrubbed":
        experiments.scrub(tx, row.id)
    else:
        experiments.forget(tx, row.id)
    assert objects.all_of(tx, row.target) == []
