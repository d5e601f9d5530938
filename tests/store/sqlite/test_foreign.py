"""Whether somebody else has committed, found out without reading."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, closing
from pathlib import Path

from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.sqlite.database import SqliteDatabase
from submarine_jupyter_server.store.sqlite.foreign import DataVersion

Opened = Callable[[], AbstractAsyncContextManager[SqliteDatabase]]


async def test_each_commit_is_noticed_once(opened: Opened, path: Path) -> None:
    async with opened() as db:
        foreign = DataVersion(path)
        assert foreign.happened()  # whatever was before
        assert not foreign.happened()
        await db.write(experiments.next_id)
        assert foreign.happened()
        assert not foreign.happened()
        with closing(sqlite3.connect(path)) as other, other:
            other.execute("INSERT INTO meta VALUES ('x', 'y')")
        assert foreign.happened()
        assert not foreign.happened()
        foreign.close()
        assert foreign.happened()
        foreign.close()


def test_a_database_that_cannot_be_read_is_news(tmp_path: Path) -> None:
    foreign = DataVersion(tmp_path / "none.db")
    assert foreign.happened()
    assert foreign.happened()
