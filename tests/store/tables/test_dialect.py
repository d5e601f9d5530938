"""Tables and queries know no engine: PostgreSQL would take all of them, and SQLite uses its indexes."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType, ModuleType
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import Connection, event
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from submarine_jupyter_server import store
from submarine_jupyter_server.metrics.progress.reports import Report
from submarine_jupyter_server.store import experiments, tables, transitions
from submarine_jupyter_server.store.annotations import groups, housekeeping, origins, row_changes, tags
from submarine_jupyter_server.store.annotations.groups import Group
from submarine_jupyter_server.store.curves import following, points
from submarine_jupyter_server.store.curves.points import Chosen
from submarine_jupyter_server.store.engine import memory, space
from submarine_jupyter_server.store.engine.prepared import Prepared
from submarine_jupyter_server.store.experiments import ExperimentRow, NewExperiment, Query
from submarine_jupyter_server.store.lists import compared, listing, summaries
from submarine_jupyter_server.store.lists.conditions import HAS, OPERATORS, Condition, Named
from submarine_jupyter_server.store.lists.cursor import SORTS, PagePosition
from submarine_jupyter_server.store.lists.grouped import grouped
from submarine_jupyter_server.store.orders import changes, idempotency, outbox
from submarine_jupyter_server.store.orders.changes import SpecTexts
from submarine_jupyter_server.store.reported import events, metrics, objects, replicas
from submarine_jupyter_server.store.sqlite.connection import raw_of
from submarine_jupyter_server.store.tables import metadata
from submarine_jupyter_server.store.tables.dialect import Text, storable
from submarine_jupyter_server.store.trusted_clock import SteadyClock
from submarine_jupyter_server.targets.protocol import Made, ObjectRef, ReplicaState

New = Callable[..., NewExperiment]
POSTGRESQL = postgresql.dialect()  # type: ignore[no-untyped-call]
TEXTS = SpecTexts(spec="{}", wire_spec="{}", list_spec=None, name="n", namespace="d", framework="f", tags=("a",))
GROUP = Group("ada", "g")
FILTERS: dict[str, Any] = {
    "statuses": ("Running", "Failed"), "name": "n*", "tags": ("a", "b"),
    "owner": "ada", "target": "local", "framework": "f", "namespace": "d", "since": 5, "words": "a b",
    "archived": True, "pinned": False, "notebook": "a.ipynb", "group": "g",
    "conditions": [Condition(Named("param", "lr"), operator, "0.1", 0.1) for operator in OPERATORS]
    + [Condition(Named("metric", "loss"), operator, "low", None) for operator in ("=", "!=", HAS)],
}  # fmt: skip


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=str)
def test_a_table_can_be_made_in_another_engine(table: sa.Table) -> None:
    made = str(CreateTable(table).compile(dialect=POSTGRESQL))
    assert " INTEGER" not in made, "a number has 64 bits"
    for index in table.indexes:
        assert str(CreateIndex(index).compile(dialect=POSTGRESQL))


def test_null_comes_first_in_the_index_and_in_the_order_it_answers() -> None:
    index = next(index for index in tables.experiment.indexes if index.name == "experiment_finished")
    assert "(finished NULLS FIRST)" in str(CreateIndex(index).compile(dialect=POSTGRESQL))
    for sort, order in (("finished", "NULLS FIRST"), ("-finished", "DESC NULLS LAST")):
        position = PagePosition(sort)
        found = [str(each.compile(dialect=POSTGRESQL)) for each in listing._order(position, position.column)]
        assert found[0] == f"experiment.finished {order}"


@contextmanager
def executed(tx: Connection) -> Iterator[dict[str, str]]:
    """Collect the statements that are executed, each with the form that PostgreSQL would get."""
    seen: dict[str, str] = {}
    prepared = {one.text(tx)[0]: one for module in modules() for one in vars(module).values() if type(one) is Prepared}

    def note(_: object, __: object, text: str, ___: object, context: Any, ____: bool) -> None:
        if (made := context.compiled) is not None:
            statement, names = made.statement, made.column_keys
        else:
            assert text in prepared, f"a statement in the words of one engine: {text}"
            statement, names = prepared[text].statement, list(prepared[text].names)
        if text not in seen:
            seen[text] = str(statement.compile(dialect=POSTGRESQL, column_keys=names))

    event.listen(tx, "before_cursor_execute", note)
    yield seen
    event.remove(tx, "before_cursor_execute", note)


@contextmanager
def called() -> Iterator[set[CodeType]]:
    """Collect the functions that are called in this thread."""
    seen: set[CodeType] = set()

    def note(frame: FrameType, what: str, argument: object) -> None:
        if what == "call":
            seen.add(frame.f_code)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield seen
    finally:
        sys.setprofile(before)


def modules() -> list[ModuleType]:
    """Return the modules of the store that know no engine."""
    names = [found.name for found in pkgutil.walk_packages(store.__path__, f"{store.__name__}.")]
    return [importlib.import_module(name) for name in names if ".sqlite" not in name]


def queries() -> dict[str, CodeType]:
    """Return all functions of the store that take a transaction, by name."""
    found = {f"{module.__name__}.{name}": value for module in modules() for name, value in vars(module).items()}
    return {
        name: value.__code__
        for name, value in found.items()
        if inspect.isfunction(value)
        and name == f"{value.__module__}.{value.__name__}"
        and next(iter(inspect.signature(value).parameters), "") == "tx"
    }


def _summarize(tx: Connection) -> None:
    now = row_changes.place(tx)
    ids = row_changes.changed(tx, row_changes.Place(0, 0), now, bounded=False)
    assert ids
    row_changes.changed(tx, now, now, bounded=True)
    assert summaries.of(tx, ids)
    assert summaries.page(tx, None, 10**6, 10)


def test_every_query_compiles_for_another_engine(tx: Connection, new: New) -> None:
    with executed(tx) as statements:
        with called() as functions:
            _live(tx, new)
            _change(tx, new)
            _end(tx, new)
            experiments.page(tx, Query(**FILTERS))
            experiments.count(tx, Query(**FILTERS))
            _list(tx, "metric.loss")
            _summarize(tx)
        for sort in (*SORTS, "param.lr"):
            _list(tx, sort)
    assert {name for name, code in queries().items() if code not in functions} == set(), "are to be called above"
    numbered = [text for text in statements.values() if text.startswith(("INSERT INTO event ", "INSERT INTO outbox "))]
    assert numbered
    assert all(re.search(r" RETURNING \w+\.seq$", text) for text in numbered)
    upserts = [text for text in statements.values() if " ON CONFLICT " in text]
    assert upserts
    assert not any("RETURNING" in text for text in upserts)


def _live(tx: Connection, new: New) -> None:
    spec = '{"runtime": {"params": {"lr": 0.1}, "group": {"name": "g"}, "origin": {"notebook": "a", "cell": "c"}}}'
    row = experiments.insert(tx, new(id=experiments.next_id(tx), tags=("a", "b"), spec=spec))
    experiments.note_id(tx, f"{row.id.rpartition('-')[0]}-0099")
    space.mark(tx, full=False)
    order = outbox.put(tx, row, "ensure")
    outbox.retry(tx, order.seq, 5, "error")
    made = Made(row.id, row.uid, 1, 1, (ObjectRef("Job", "d", "n", "u"),))
    key = {"owner": "ada", "key": "k", "path": "p", "body_hash": "h", "response": "r", "created": 5}
    for query, values in (
        (outbox.due, (10, 10)), (outbox.next_due, (0,)), (outbox.ordered, ()), (outbox.troubled, ([row.id],)),
        (outbox.hasten, ()), (outbox.done, (order.seq,)),
        (replicas.upsert, (row.id, 1, [ReplicaState("worker-0", "Worker", 0, "Running")])),
        (replicas.end, (row.id, 1, "R")),
        (metrics.record, (row.id, 1, "worker-0", 7, [("loss", 0.5, 1, 10)], {"lr": "0.1"})),
        (metrics.report, (row.id, 1, Report(50.0, 3, "tqdm", "l", 7))), (metrics.reported, (row.id, 1)),
        (metrics.names, (row.id, 1)), (metrics.finish, (row.id, 1)),
        (metrics.is_finished, (row.id, 1)), (metrics.is_over, (row.id, 1)), (metrics.unfinished, ()),
        (objects.put, (made,)), (objects.of, (row.id,)), (objects.all_of, ("local",)), (objects.ended, ("local",)),
        (objects.lose, (row.id, 5)),
        (events.after, (0, 10)), (events.after, (0, 10, row.id)), (events.of, (row.id, 10)), (events.last_seq, ()),
        (housekeeping.change, (row.seq, {"note": "n"})), (housekeeping.of, ([row.seq],)),
        (origins.remember, (row.seq, "d")), (origins.renew, (row.seq, spec)),
        (groups.renew, (row,)), (groups.wait, (row.seq,)), (groups.waits, (row.seq,)), (groups.waiting, ()),
        (groups.queues, ()), (groups.ahead, (GROUP, row.seq)),
        (groups.first, (GROUP,)), (groups.leave, (row.seq,)), (groups.take, (row.seq,)),
        (groups.taken, (GROUP,)), (groups.tidy, (GROUP,)), (groups.of, (lambda seq: seq.in_([row.seq]),)),
        (grouped, (Query(),)), (grouped, (Query(**FILTERS),)),
        (compared.rows, ([row.id],)), (compared.params, ([row.seq],)), (compared.metric_names, ([row.seq],)),
        (compared.values, ([row.seq], ["lr"])), (compared.measures, ([row.seq], ["loss"])),
        (row_changes.touch, (row.id,)), (summaries.of, ([row.id],)), (summaries.page, ("ada", 9, 5)),
        (experiments.note_compared, ("local",)), (experiments.is_compared, ("local",)),
    ):  # fmt: skip
        query(tx, *values)
    row_changes.changed(tx, row_changes.Place(0, 0), row_changes.place(tx), bounded=True)
    found = origins.running(tx, notebook="a", cell="c", digest="d", owner="ada")
    assert [one.id for one in found] == [row.id]
    chosen = Chosen(experiment_id=row.id, attempt=1, names=("loss",), replica="worker-0")
    assert points.after(tx, chosen)
    assert following.new(tx, [row.id], ["loss"], 0, 5)
    assert following.moved(tx, 0, following.place(tx).seq) == {row.id}
    assert following.attempts(tx, [row.id]) == {row.id: 1}
    assert points.few(tx, chosen, 4)
    assert points.last_number(tx, chosen)
    events.append(tx, row.id, type="status", status="Running")
    idempotency.claim(tx, experiment_id=row.id, **key)  # type: ignore[arg-type]
    assert SteadyClock().trusted(tx)
    memory.forget(tx)


def _change(tx: Connection, new: New) -> None:
    row = _advanced(tx, experiments.insert(tx, new()), "Running")
    changed = changes.replace_spec(tx, row, TEXTS, new_attempt=True)
    changes.confirm(tx, outbox.put(tx, changed, "ensure"), changed, replaced=False)
    changed = changes.replace_spec(tx, _advanced(tx, changed, "Running"), TEXTS, new_attempt=True)
    changed = changes.take_back(tx, changed, TEXTS, reason="R", message="m")
    changes.take_over(tx, changed, TEXTS, generation=9, attempt=9, restored=True)
    assert changes.ran(tx, row.id, 1) is not None


def _end(tx: Connection, new: New) -> None:
    row = experiments.restore(tx, new(id=experiments.next_id(tx)))
    tags.replace(tx, row.seq, ("c",))
    for query, values in (
        (experiments.live, ("local",)), (experiments.live, ()), (experiments.any_live, ()),
        (experiments.holder_of, (row.uid,)), (experiments.owned, ("ada", [row.id])),
        (experiments.ids_after, ("local", 0)),
        (experiments.request_stop, (row.id, 5)), (idempotency.refuse, (row.id, "{}")), (idempotency.promise, (row.id,)),
        (experiments.mark_deleted, (row.id, 5)), (experiments.bring_back, (row.id, ("c",))),
        (experiments.mark_deleted, (row.id, 5)), (experiments.deleted_ids, ("local",)),
        (experiments.expired_deleted, (9,)), (events.purge, (9,)), (idempotency.purge, (9,)),
        (experiments.scrub, (row.id,)), (experiments.forget, (row.id,)),
    ):  # fmt: skip
        query(tx, *values)


def _list(tx: Connection, name: str) -> None:
    for sort in (name, f"-{name}"):
        cursor = experiments.page(tx, Query(sort=sort, limit=1)).next_cursor
        for wanted in ({}, *({name: value} for name, value in FILTERS.items()), FILTERS):
            experiments.page(tx, Query(sort=sort, **wanted))
            experiments.page(tx, Query(sort=sort, cursor=cursor, **wanted))


def _advanced(tx: Connection, row: ExperimentRow, status: str) -> ExperimentRow:
    moved = transitions.advance(tx, row.id, uid=row.uid, attempt=row.attempt, status=status, at_ms=10)
    assert moved is not None
    return moved


@pytest.mark.parametrize("sort", ["finished", "name", "status"])
@pytest.mark.parametrize("sign", ["", "-"])
def test_pages_in_an_order_are_read_from_its_index(tx: Connection, new: New, sort: str, sign: str) -> None:
    for _ in range(4):
        experiments.insert(tx, new())
    raw, cursor = raw_of(tx), None
    for _ in range(2):
        asked: list[tuple[str, Any]] = []

        def note(_: object, __: object, text: str, values: Any, *___: object, asked: list[Any] = asked) -> None:
            asked.append((text, values))

        event.listen(tx, "before_cursor_execute", note)
        cursor = experiments.page(tx, Query(sort=sign + sort, limit=1, cursor=cursor)).next_cursor
        event.remove(tx, "before_cursor_execute", note)
        steps = [row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {asked[-1][0]}", asked[-1][1])]
        touched = [step for step in steps if re.match("(SEARCH|SCAN) experiment ", step)]
        # The last is the way from the numbers to the rows.
        assert len(touched) > 1
        assert all(f" INDEX experiment_{sort}" in step for step in touched[:-1])


def test_every_text_is_made_storable() -> None:
    columns = [column for table in metadata.sorted_tables for column in table.c if table is not tables.alembic_version]
    assert [str(column) for column in columns if isinstance(column.type, sa.String)] == []
    assert any(isinstance(column.type, Text) for column in columns)


@given(st.text(st.characters() | st.sampled_from("\0\ud800\\x0")))
@example("\0")
@example("a\0\udcff")
def test_what_is_stored_of_a_text_suits_every_engine(text: str) -> None:
    stored = storable(text)
    assert stored is not None
    assert "\0" not in stored.encode().decode()
    assert storable(stored) == stored
    if "\0" not in text and not re.search("[\ud800-\udfff]", text):
        assert stored == text
