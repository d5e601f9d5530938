"""Real database files in a temporary directory."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection

from submarine_jupyter_server.store.experiments import NewExperiment
from submarine_jupyter_server.store.sqlite import connection
from submarine_jupyter_server.store.sqlite.database import SqliteDatabase
from submarine_jupyter_server.store.sqlite.file import recovery

New = Callable[..., NewExperiment]
Opened = Callable[[], AbstractAsyncContextManager[SqliteDatabase]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database is to be."""
    return tmp_path / "data" / "submarine.db"


@pytest.fixture
def opened(path: Path) -> Opened:
    """Return a function that opens the database for the length of an ``async with``."""

    @asynccontextmanager
    async def database() -> AsyncIterator[SqliteDatabase]:
        found = await SqliteDatabase.open(path)
        try:
            yield found
        finally:
            await found.close()

    return database


@pytest.fixture
def tx(tmp_path: Path) -> Iterator[Connection]:
    """A write transaction on a new database file; nothing of it is kept."""
    file = tmp_path / "submarine.db"
    recovery.repair(file)
    with connection.opened(file) as found:
        found.exec_driver_sql("BEGIN IMMEDIATE")
        yield found
        connection.abandon(found)


@pytest.fixture(scope="session")
def new() -> New:
    """Return a function that makes up an experiment; keywords set what matters."""
    numbers = itertools.count(1)

    def make(**given: object) -> NewExperiment:
        number = next(numbers)
        fields: dict[str, object] = {
            "id": f"experiment-1-{number:04d}",
            "uid": f"uid-{number}",
            "owner": "ada",
            "target": "local",
            "namespace": "default",
            "name": "mnist",
            "framework": "PyTorch",
            "spec": '{"secret": 1}',
            "wire_spec": '{"secret": "***"}',
            "accepted": 1_700_000_000_000,
        }
        return NewExperiment(**(fields | given))  # type: ignore[arg-type]

    return make
