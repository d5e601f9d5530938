"""Experiments are made, found, changed and deleted."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import IntegrityError

from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.experiments import NewExperiment, Query
from submarine_jupyter_server.store.orders import changes, idempotency, outbox
from submarine_jupyter_server.store.orders.changes import SpecTexts
from submarine_jupyter_server.store.reported import events, metrics
from submarine_jupyter_server.store.tables import metadata

New = Callable[..., NewExperiment]


def test_ids_count_from_the_start_of_the_instance(tx: Connection) -> None:
    first, second = experiments.next_id(tx), experiments.next_id(tx)
    start = first.split("-")[1]
    assert len(start) == 13
    assert (first, second) == (f"experiment-{start}-0001", f"experiment-{start}-0002")
    for taken in (f"{start}-12345", f"{start}-0007", "1-999999999", f"{start}1-999999999"):
        experiments.note_id(tx, f"experiment-{taken}")
    assert experiments.next_id(tx) == f"experiment-{start}-12346"


def test_what_is_stored_is_found(tx: Connection, new: New) -> None:
    made = new(tags=("b", "a", "b"), owner="Grace", name="Ünï", spec='{"x": "\U0001f680"}')
    row = experiments.insert(tx, made)
    assert experiments.find(tx, made.id) == row
    assert (row.status, row.generation, row.attempt, row.notes) == ("Accepted", 1, 1, ())
    assert (row.created, row.running, row.finished, row.deleted) == (None, None, None, None)
    for name in ("id", "uid", "owner", "target", "namespace", "name", "framework", "spec", "wire_spec", "accepted"):
        assert getattr(row, name) == getattr(made, name)
    assert experiments.find(tx, "experiment-1-9999") is None


@pytest.mark.parametrize("text", ["plain", "Ünï \U0001f680", "a\0b", "half \ud800 a character"])
def test_the_row_that_is_made_is_the_one_that_is_read(tx: Connection, new: New, text: str) -> None:
    made = new(owner=text, name=text, namespace=text, tags=[text], list_spec="{}", replicas=3)
    row = experiments.restore(tx, made, generation=2, attempt=2, restored=True, notes=[text])
    assert experiments.find(tx, made.id) == row


def test_an_id_is_never_used_twice(tx: Connection, new: New) -> None:
    made = new()
    experiments.insert(tx, made)
    with pytest.raises(IntegrityError):
        experiments.insert(tx, made)


def test_a_restored_experiment_keeps_its_generation_and_attempt(tx: Connection, new: New) -> None:
    made = new()
    row = experiments.restore(tx, made, generation=4, attempt=3)
    assert (row.id, row.uid, row.generation, row.attempt, row.status) == (made.id, made.uid, 4, 3, "Accepted")


def test_live_is_what_has_not_ended(tx: Connection, new: New) -> None:
    rows = [experiments.insert(tx, new(target="local" if number < 4 else "other")) for number in range(6)]
    ended, running, gone = rows[:3]
    for row, status in ((ended, "Failed"), (running, "Running")):
        experiments.advance(tx, row.id, uid=row.uid, attempt=1, status=status, at_ms=row.accepted)
    experiments.mark_deleted(tx, gone.id, 5)
    assert [row.seq for row in experiments.live(tx)] == [2, 4, 5, 6]
    assert [row.seq for row in experiments.live(tx, "other")] == [5, 6]


def test_a_deleted_experiment_is_in_no_list(tx: Connection, new: New) -> None:
    row = experiments.insert(tx, new(tags=("a",)))
    deleted = experiments.mark_deleted(tx, row.id, 77)
    assert deleted is not None
    assert (deleted.deleted, deleted.generation) == (77, 2)
    assert experiments.mark_deleted(tx, row.id, 78) is None
    assert experiments.request_stop(tx, row.id, 78) is None
    assert experiments.find(tx, row.id) is None
    assert experiments.find(tx, row.id, include_deleted=True) == deleted
    for query in (Query(), Query(tags=("a",)), Query(owner="ada"), Query(owner="ada", tags=("a",))):
        assert experiments.page(tx, query).rows == []
        assert experiments.count(tx, query) == 0
    assert experiments.expired_deleted(tx, 77) == []
    assert experiments.expired_deleted(tx, 78) == [deleted]


def test_a_changed_spec_changes_what_is_filtered_by(tx: Connection, new: New) -> None:
    row = experiments.insert(tx, new(tags=("a", "b")))
    texts = SpecTexts("{2}", "{3}", None, "new", "n", "XGBoost", ("b", "c"))
    changed = changes.replace_spec(tx, row, texts, new_attempt=False)
    assert (changed.spec, changed.wire_spec, changed.framework) == ("{2}", "{3}", "XGBoost")
    for query, wanted in ((Query(tags=("a",)), 0), (Query(tags=("c", "b")), 1), (Query(name="new"), 1)):
        assert experiments.count(tx, query) == wanted


def test_the_first_wish_to_stop_counts(tx: Connection, new: New) -> None:
    row = experiments.insert(tx, new())
    for at in (10, 20):
        stopping = experiments.request_stop(tx, row.id, at)
        assert stopping is not None
        assert stopping.stop_requested == 10


def test_what_is_forgotten_leaves_no_trace(tx: Connection, new: New) -> None:
    row = experiments.insert(tx, new(tags=("a",)))
    outbox.put(tx, row, "ensure")
    events.append(tx, row.id, type="accepted")
    metrics.record(tx, row.id, 1, "worker-0", 10, [("loss", 0.5, 1, 5)])
    idempotency.claim(tx, owner="ada", key="k", path="p", body_hash="h", experiment_id=row.id, response="{}", created=1)
    assert experiments.forget(tx, row.id)
    assert not experiments.forget(tx, row.id)
    for table in metadata.sorted_tables:
        if table.name not in ("meta", "alembic_version"):
            assert tx.execute(select(func.count()).select_from(table)).scalar() == 0, table.name


def test_text_that_is_no_unicode_is_stored_all_the_same(tx: Connection, new: New) -> None:
    row = experiments.insert(tx, new(name="a\udcffb", tags=("\ud800",)))
    assert row.name == "a\\udcffb"
    assert experiments.count(tx, Query(tags=("\ud800",), name="a\udcff*")) == 1
    failed = experiments.advance(
        tx, row.id, uid=row.uid, attempt=1, status="Failed", at_ms=1, message="no file /tmp/\udcff", notes=("\udcfe",)
    )
    assert failed is not None
    found = experiments.find(tx, row.id)
    assert found is not None
    assert found.message == "no file /tmp/\\udcff"
    assert experiments.find(tx, "\ud800") is None


def test_a_damaged_byte_hides_no_other_experiment(tx: Connection, new: New) -> None:
    rows = [experiments.insert(tx, new()) for _ in range(3)]
    tx.exec_driver_sql(
        "UPDATE experiment SET name = CAST(x'61ff62' AS TEXT), notes = '[}' WHERE seq = ?", (rows[1].seq,)
    )
    found = experiments.page(tx, Query(sort="accepted")).rows
    assert [row.id for row in found] == [row.id for row in rows]
    assert (found[1].name, found[1].notes) == ("a\ufffdb", ())
