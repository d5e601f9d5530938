"""Servers that share a data directory, as objects in one process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from submarine_jupyter_server.control import neighbours
from submarine_jupyter_server.control.neighbours import Neighbours
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.sqlite.database import SqliteDatabase


class Server:
    """One of them, and what it heard."""

    def __init__(self, db: SqliteDatabase) -> None:
        self.db = db
        self.news = 0
        self.silent: list[str] = []
        self.used = self.described = 0
        self.answers = asyncio.Event()
        self.answers.set()
        self.neighbours = Neighbours(
            db.path.parent, db, self.hear, self.describe, lambda who, since: self.silent.append(who)
        )

    def hear(self) -> None:
        self.news += 1

    async def describe(self) -> list[dict[str, Any]]:
        await self.answers.wait()
        self.described += 1
        return [{"name": "local", "health": None, "namespaces": ["mine"], "capacity": {"used": self.used}}]


@asynccontextmanager
async def server(folder: Path) -> AsyncIterator[Server]:
    db = await SqliteDatabase.open(folder / "submarine.db")
    made = Server(db)
    await made.neighbours.start()
    try:
        yield made
    finally:
        await made.neighbours.close()
        await db.close()


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - a thread brings it about
            await asyncio.sleep(0.02)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("ALONE_S", 0.1), ("SHARED_S", 0.05), ("BEAT_S", 0.1), ("LATE_S", 0.5), ("SILENT_S", 1.0)):
        monkeypatch.setattr(neighbours, name, seconds)


async def test_the_first_leads_and_the_next_takes_over(tmp_path: Path) -> None:
    async with server(tmp_path) as second:
        assert second.neighbours.leads.is_set()
        async with server(tmp_path) as third:
            assert not third.neighbours.leads.is_set()
            await second.neighbours.close()
            await until(third.neighbours.leads.is_set)


async def test_commits_of_the_others_are_news(tmp_path: Path) -> None:
    async with server(tmp_path) as first, server(tmp_path) as second:
        await until(lambda: first.news and second.news)
        for one, other in ((first, second), (second, first)):
            before = other.news
            await one.db.write(experiments.next_id)
            await until(lambda other=other, before=before: other.news > before)  # type: ignore[misc]


async def test_a_server_that_is_alone_hears_nothing(tmp_path: Path) -> None:
    async with server(tmp_path) as first:
        for _ in range(5):
            await first.db.write(experiments.next_id)
            await asyncio.sleep(0.1)
        assert first.news == 0
        assert first.neighbours.elsewhere("local") is None


async def test_a_follower_answers_with_what_the_controller_says(tmp_path: Path) -> None:
    async with server(tmp_path) as first, server(tmp_path) as second:
        first.db.notices.put("disk", "The disk is full.")
        await until(lambda: (second.neighbours.elsewhere("local") or {})["capacity"])
        other = second.neighbours.elsewhere("far")
        assert other is not None
        assert other["capacity"] is None
        assert "has no target of this name" in other["note"]
        await until(lambda: any("says: The disk is full." in notice for notice in second.db.notices))


async def test_what_changes_is_said_at_once_and_what_does_not_in_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "BEAT_S", 1000.0)
    async with server(tmp_path) as first, server(tmp_path) as second:
        for used in range(3):
            first.used = used
            told = {"health": None, "namespaces": ["mine"], "capacity": {"used": used}}
            await until(lambda told=told: second.neighbours.elsewhere("local") == told)  # type: ignore[misc]
        written = (tmp_path / "controller.json").stat().st_mtime_ns
        described = first.described
        await until(lambda: first.described > described + 3)
        assert (tmp_path / "controller.json").stat().st_mtime_ns == written


async def test_a_controller_whose_loop_does_not_answer_is_silent(tmp_path: Path) -> None:
    async with server(tmp_path) as first, server(tmp_path) as second:
        await until(lambda: second.neighbours.note and second.neighbours.note.targets)
        first.answers.clear()
        await until(lambda: second.silent)
        found = second.neighbours.elsewhere("local")
        assert found is not None
        assert found["note"].endswith("s: this is what it said then")
        assert "has been silent for" in found["health"]["trouble"]
        assert (found["health"]["ok"], found["capacity"], found["namespaces"]) == (False, {"used": 0}, ["mine"])
        assert found["age"] >= 1
        assert any("has been silent for" in notice for notice in second.db.notices)
        first.answers.set()
        await until(lambda: not list(second.db.notices))
        await until(lambda: "age" not in (second.neighbours.elsewhere("local") or {"age": 0}))


async def test_one_that_may_only_read_gives_no_orders(tmp_path: Path) -> None:
    async with server(tmp_path) as first, server(tmp_path) as second:
        first.db.read_only = True  # as when a newer version has migrated the database
        await until(first.neighbours.deposed.is_set)
        assert not first.neighbours.leads.is_set()
        await first.neighbours.step_down()
        await until(second.neighbours.leads.is_set)
