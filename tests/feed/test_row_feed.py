"""Rows as they change: whole pages of a snapshot, the newest row for who is slow, and a way back to the truth."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from submarine_jupyter.models import Status
from submarine_jupyter_server.control.lifecycle import apply, record
from submarine_jupyter_server.feed import row_feed
from submarine_jupyter_server.feed.row_feed import Changes, RowFeed
from submarine_jupyter_server.feed.row_texts import RowTexts
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.annotations import row_changes
from submarine_jupyter_server.store.experiments import NewExperiment
from submarine_jupyter_server.store.lists import summaries
from submarine_jupyter_server.store.reported import metrics
from submarine_jupyter_server.store.sqlite.database import SqliteDatabase
from submarine_jupyter_server.targets.protocol import Observation, ReplicaState
from tests.snapshots import check_remembered, snapshot

PAGE = 20


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_feed, "PAGE", PAGE)


def new(number: int, owner: str = "ann") -> NewExperiment:
    text = json.dumps({"meta": {"name": "x"}})
    return NewExperiment(
        id=f"experiment-1-{number:04}", uid=f"uid-{number}", owner=owner, target="local", namespace="default",
        name=f"name-{number}", framework="PyTorch", spec=text, wire_spec=text, accepted=number,
    )  # fmt: skip


def insert(tx: Connection, *numbers: int, owner: str = "ann") -> None:
    for number in numbers:
        record(tx, experiments.insert(tx, new(number, owner)), "accepted")


def delete(tx: Connection, number: int) -> None:
    row = experiments.mark_deleted(tx, f"experiment-1-{number:04}", 5)
    assert row is not None
    record(tx, row, "deleted")


@asynccontextmanager
async def database(tmp_path: Path) -> AsyncIterator[tuple[SqliteDatabase, RowFeed]]:
    db = await SqliteDatabase.open(tmp_path / "submarine.db")
    feed = RowFeed(db)
    db.on_commit = feed.committed
    try:
        yield db, feed
        await check_remembered(feed, db)
    finally:
        await feed.close()
        await db.close()


async def following(changes: Any) -> Changes:
    async with asyncio.timeout(20):
        found: Changes = await anext(changes)
    return found


def names(changes: Changes) -> list[str]:
    return [json.loads(text)["name"] for text in changes.rows]


async def test_a_snapshot_comes_in_pages_newest_first(tmp_path: Path) -> None:
    async with database(tmp_path) as (db, feed):
        count = 2 * PAGE + 7
        await db.write(lambda tx: insert(tx, *range(count)))
        async with aclosing(feed.follow(None)) as changes:
            pages = [await following(changes) for _ in range(3)]
        assert [len(page.rows) for page in pages] == [PAGE, PAGE, 7]
        assert [page.place is None for page in pages] == [True, True, False]
        assert all(page.snapshot for page in pages)
        assert [name for page in pages for name in names(page)] == [
            f"name-{number}" for number in reversed(range(count))
        ]


async def test_rows_that_are_remembered_are_those_of_now(tmp_path: Path) -> None:
    async with database(tmp_path) as (db, feed):
        await db.write(lambda tx: insert(tx, *range(PAGE + 1)))
        assert len(await snapshot(feed)) == PAGE + 1
        await db.write(lambda tx: insert(tx, PAGE + 1, PAGE + 2))
        await db.write(lambda tx: delete(tx, 1))
        await db.write(lambda tx: _advance(tx, 2, "Running"))
        with pytest.MonkeyPatch.context() as patch:
            patch.delattr(summaries, "page")  # none of the rows that did not change is read again
            texts = await snapshot(feed)
        found = {json.loads(text)["name"]: json.loads(text)["status"] for text in texts}
        assert list(found)[:2] == [f"name-{PAGE + 2}", f"name-{PAGE + 1}"]
        assert "name-1" not in found
        assert found["name-2"] == "Running"
        assert len(texts) == PAGE + 2


async def test_too_many_rows_are_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RowTexts.__init__, "__defaults__", (100,))
    async with database(tmp_path) as (db, feed):
        await db.write(lambda tx: insert(tx, 1, 2))
        for _ in range(2):
            assert len(await snapshot(feed)) == 2


async def test_each_owner_gets_his_rows_of_those_remembered(tmp_path: Path) -> None:
    async with database(tmp_path) as (db, feed):
        await db.write(lambda tx: insert(tx, 1, owner="ann"))
        await db.write(lambda tx: insert(tx, 2, owner="bob"))
        await snapshot(feed)
        async with aclosing(feed.follow("bob")) as changes:
            assert names(await following(changes)) == ["name-2"]


async def test_what_changes_while_a_snapshot_is_sent_comes_after_it(tmp_path: Path) -> None:
    async with database(tmp_path) as (db, feed):
        await db.write(lambda tx: insert(tx, *range(PAGE + 1)))
        async with aclosing(feed.follow(None)) as changes:
            await following(changes)
            await db.write(lambda tx: insert(tx, PAGE + 1))
            assert names(await following(changes)) == ["name-0"]
            assert names(await following(changes)) == [f"name-{PAGE + 1}"]


async def test_who_is_slow_gets_each_row_once_and_as_it_is(tmp_path: Path) -> None:
    async with database(tmp_path) as (db, feed), aclosing(feed.follow(None)) as slow:
        assert (await following(slow)).rows == ()
        await db.write(lambda tx: insert(tx, 1, 2))
        async with aclosing(feed.follow(None)) as quick:
            await following(quick)
            for status in ("Created", "Running"):
                await db.write(lambda tx, status=status: _advance(tx, 1, status))  # type: ignore[misc]
                while not any(f'"status":"{status}"' in text for text in (await following(quick)).rows):
                    pass
        found = await following(slow)
        assert sorted(names(found)) == ["name-1", "name-2"]
        assert {json.loads(text)["status"] for text in found.rows} == {"Running", "Accepted"}


async def test_metrics_that_were_read_change_a_row(tmp_path: Path) -> None:
    async with database(tmp_path) as (db, feed):
        await db.write(lambda tx: insert(tx, 1))
        async with aclosing(feed.follow(None)) as changes:
            place = (await following(changes)).place
            read = [("accuracy", 0.5, 1, 5), ("accuracy", 0.75, 2, 6)]
            await db.write(lambda tx: metrics.record(tx, "experiment-1-0001", 1, "worker-0", 10, read))
            assert json.loads((await following(changes)).rows[0])["metrics"] == {"accuracy": 0.75}
        async with aclosing(feed.follow(None, place)) as again:
            assert json.loads((await following(again)).rows[0])["metrics"] == {"accuracy": 0.75}


async def test_a_parameter_that_code_has_told_changes_a_row_once(tmp_path: Path) -> None:
    async with database(tmp_path) as (db, feed):
        await db.write(lambda tx: insert(tx, 1))
        told = {"amp": "true", "word": '"true"', "lr": "0.5", "layers": "[1, 2]", "seed": "null"}

        def record_(tx: Connection, position: int, params: dict[str, str]) -> None:
            metrics.record(tx, "experiment-1-0001", 1, "worker-0", position, [], params)

        async with aclosing(feed.follow(None)) as changes:
            place = (await following(changes)).place
            await db.write(lambda tx: record_(tx, 10, told))
            [text] = (await following(changes)).rows
        known = {"amp": True, "word": "true", "lr": 0.5, "layers": "[1, 2]", "seed": None}
        assert json.loads(text)["params"] == known
        async with aclosing(feed.follow(None, place)) as again:
            found = await following(again)
            assert json.loads(found.rows[0])["params"] == known
        await db.write(lambda tx: record_(tx, 20, told))
        async with aclosing(feed.follow(None, found.place)) as again:
            assert (await following(again)).rows == ()


async def test_replicas_that_begin_to_run_change_a_row(tmp_path: Path) -> None:
    async with database(tmp_path) as (db, feed):
        await db.write(lambda tx: record(tx, experiments.insert(tx, replace(new(1), replicas=2)), "accepted"))
        states = [ReplicaState(f"worker-{index}", "Worker", index, "Running") for index in range(2)]
        about = Observation("experiment-1-0001", "uid-1", 1, 1, Status.RUNNING, 5)
        async with aclosing(feed.follow(None)) as changes:
            assert counted(await following(changes)) == (0, 2)
            for count in (1, 2):
                observed = replace(about, replicas=tuple(states[:count]))
                await db.write(lambda tx, observed=observed: apply(tx, observed))  # type: ignore[misc]
                assert counted(await following(changes)) == (count, 2)


def counted(changes: Changes) -> tuple[int, int]:
    row = json.loads(changes.rows[0])
    return row["ready"], row["total"]


async def test_everybody_gets_his_own(tmp_path: Path) -> None:
    async with database(tmp_path) as (db, feed), aclosing(feed.follow("bob")) as bobs:
        await following(bobs)
        await db.write(lambda tx: insert(tx, 1, owner="ann"))
        await db.write(lambda tx: experiments.mark_deleted(tx, "experiment-1-0001", 5))
        await db.write(lambda tx: insert(tx, 2, owner="bob"))
        found = await following(bobs)
        assert (names(found), found.gone) == (["name-2"], ())


async def test_who_missed_too_much_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_changes, "_MOST_CHANGED", 2)
    async with database(tmp_path) as (db, feed):
        await db.write(lambda tx: insert(tx, 1))
        async with aclosing(feed.follow(None)) as changes:
            place = (await following(changes)).place
            await db.write(lambda tx: insert(tx, 2, 3, 4))
            found = await following(changes)
            assert (found.snapshot, names(found)) == (True, ["name-4", "name-3", "name-2", "name-1"])
        async with aclosing(feed.follow(None, place)) as again:
            assert (await following(again)).snapshot


async def test_nobody_who_follows_costs_nothing(tmp_path: Path) -> None:
    async with database(tmp_path) as (db, feed):
        async with aclosing(feed.follow(None)) as changes:
            await following(changes)
        reads = 0
        read = db.read

        async def counted(run: Any) -> Any:
            nonlocal reads
            reads += 1
            return await read(run)

        db.read = counted  # type: ignore[method-assign]
        for number in range(3):
            await db.write(lambda tx, number=number: insert(tx, number))  # type: ignore[misc]
            await asyncio.sleep(0.05)
        assert reads == 0


def _advance(tx: Connection, number: int, status: str) -> None:
    row = experiments.advance(
        tx, f"experiment-1-{number:04}", uid=f"uid-{number}", attempt=1, status=status, at_ms=number + 5
    )
    assert row is not None
    record(tx, row, "status")
