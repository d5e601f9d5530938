"""Among ten good experiments, one thing that others have made or changed: it stops nobody and reaches no row."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from submarine_jupyter.models import ExperimentSpec, Status
from submarine_jupyter_server.control.reconcile import Reconcile
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.orders import outbox
from submarine_jupyter_server.store.reported import objects
from submarine_jupyter_server.store.sqlite.database import SqliteDatabase
from submarine_jupyter_server.targets.protocol import (
    Found,
    Inventory,
    Launch,
    Made,
    ObjectRef,
    Observation,
    ReplicaState,
)
from submarine_jupyter_server.wire.answers.experiments import experiment_json
from tests.control.world import CommandedTarget, World

GOOD = 10
POISON = "poison"
NUMBERS = (0, -1, 2**31, 2**63, 10**30, -(10**30))
TEXTS = ("", '"', POISON, "\ud800", "\x00", "a" * 100_000, "'; DROP TABLE experiment; --")


def good(number: int) -> Found:
    """Return one experiment as its target finds it."""
    name, uid = f"experiment-1700000000000-{number:04d}", f"00000000-0000-4000-8000-{number:012d}"
    meta = {"name": f"good {number}", "framework": "PyTorch", "cmd": "train", "namespace": "default"}
    spec = ExperimentSpec.parse({"meta": meta, "spec": {"Worker": {"replicas": 1}}})
    launch = Launch(name, uid, "me", f"good {number}", spec, 1, 1, 1_700_000_000_000)
    worker = ReplicaState("worker-0", "Worker", 0, "Running")
    seen = Observation(name, uid, 1, 1, Status.RUNNING, 1_700_000_000_500, replicas=(worker,))
    made = Made(name, uid, 1, 1, (ObjectRef("Job", "default", name, f"object-{number}"),))
    return Found(name, launch, deleted=False, observation=seen, authentic=True, made=made)


class Poisoned(CommandedTarget):
    """A target on which somebody else has been."""

    def __init__(self, found: list[Found]) -> None:
        super().__init__(World())
        self._items = tuple(found)

    async def inventory(self, settled: Collection[str] = ()) -> Inventory:
        return Inventory(self._items)


def changed(fields: tuple[str, ...], values: tuple[Any, ...]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(fields), st.sampled_from(values), max_size=1)


@st.composite
def poison(draw: st.DrawFn) -> Found:
    """Return what somebody made of a good one: under its own id or another, signed or not, with anything in it."""
    item = good(draw(st.integers(1, GOOD + 1)))
    launch, seen = item.launch, item.observation
    assert launch is not None
    assert seen is not None
    name = draw(st.sampled_from((item.experiment_id, *(good(number).experiment_id for number in (1, 99)), *TEXTS)))
    uid = draw(st.sampled_from((item.launch.uid if item.launch else "", good(2).launch.uid, *TEXTS)))  # type: ignore[union-attr]
    launch = replace(launch, **draw(changed(("attempt", "generation", "accepted_ms"), NUMBERS)))
    launch = replace(launch, **draw(changed(("owner", "name"), TEXTS)))
    seen = replace(seen, **draw(changed(("attempt", "generation", "at_ms", "finished_ms", "created_ms"), NUMBERS)))
    seen = replace(seen, **draw(changed(("reason", "message"), TEXTS)))
    spec = launch.spec.model_copy(deep=True)
    spec.meta.namespace = draw(st.sampled_from(("default", "theirs", None)))
    authentic = draw(st.booleans())
    if not authentic:
        spec.meta.name, launch = POISON, replace(launch, owner=POISON, name=POISON)
    launch = replace(launch, experiment_id=name, uid=uid, spec=spec)
    seen = replace(seen, experiment_id=draw(st.sampled_from((name, seen.experiment_id))), uid=uid)
    known = draw(st.sampled_from(((launch, seen), (launch, None), (None, seen), (None, None))))
    of = draw(st.sampled_from((name, item.experiment_id)))
    made = None if item.made is None else replace(item.made, experiment_id=of, uid=uid)
    return Found(
        name, known[0], draw(st.booleans()), known[1], authentic=authentic, made=draw(st.sampled_from((None, made)))
    )


def test_one_bad_thing_stops_nobody_and_reaches_no_row(tmp_path: Path) -> None:
    loop = asyncio.new_event_loop()
    db = loop.run_until_complete(SqliteDatabase.open(tmp_path / "submarine.db"))

    @settings(max_examples=60, deadline=None)
    @given(bad=poison(), at=st.integers(0, GOOD), lost=st.booleans())
    def inner(bad: Found, at: int, lost: bool) -> None:
        # What was signed by mistake, or changed with the key, is not believed for a row that is known.
        loop.run_until_complete(_try(db, bad, GOOD if bad.authentic else at, lost))

    try:
        inner()
    finally:
        loop.run_until_complete(db.close())
        loop.close()


async def _try(db: SqliteDatabase, bad: Found, at: int, lost: bool) -> None:
    items = [good(number) for number in range(1, GOOD + 1)]
    await db.write(_forget)
    if not lost:
        await Reconcile(db, {"local": Poisoned(items)}, None).run()
    before = await db.read(_rows)
    reconcile = Reconcile(db, {"local": Poisoned([*items[:at], bad, *items[at:]])}, None)
    await reconcile.run()
    _check(bad, before, await db.read(_rows), set(reconcile.aside))


def _check(bad: Found, before: dict[str, Any], after: dict[str, Any], aside: set[str]) -> None:
    own = {good(number).experiment_id for number in range(1, GOOD + 1)}
    for number in range(1, GOOD + 1):
        name, wanted = good(number).experiment_id, good(number)
        assert name in after, f"{name} is not restored"
        if name == bad.experiment_id:
            continue  # what becomes of this one is told by what is true of all
        row, made, order = after[name]
        assert (row["uid"], row["status"]) == (wanted.launch and wanted.launch.uid, "Running")
        assert row["detail"] == {"owner": "me", "attempt": 1, "generation": 1, "name": f"good {number}"}
        assert made == wanted.made
        assert order is None
        assert before.get(name, after[name]) == after[name]
    if not bad.authentic:
        assert POISON not in json.dumps([row for row, _, _ in after.values()])
        assert after.keys() == own
    new = after.keys() - own
    assert new <= {good(GOOD + 1).experiment_id, good(99).experiment_id}
    if bad.authentic and bad.launch and bad.observation and not bad.deleted and bad.experiment_id not in own | new:
        assert bad.experiment_id in aside


def _forget(tx: Connection) -> None:
    for row in experiments.page(tx, experiments.Query()).rows:
        experiments.forget(tx, row.id)


def _rows(tx: Connection) -> dict[str, Any]:
    rows = experiments.page(tx, experiments.Query()).rows
    return {row.id: (_shown(tx, row.id), objects.of(tx, row.id), outbox.pending(tx, row.id)) for row in rows}


def _shown(tx: Connection, experiment_id: str) -> dict[str, Any]:
    row = experiments.find(tx, experiment_id)
    assert row is not None
    detail = {"owner": row.owner, "attempt": row.attempt, "generation": row.generation, "name": row.name}
    shown: dict[str, Any] = json.loads(experiment_json(row, detail))
    return shown
