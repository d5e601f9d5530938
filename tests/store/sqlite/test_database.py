"""An open database: transactions, threads, locks."""

from __future__ import annotations

import asyncio
import fcntl
import sqlite3
import stat
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, closing
from pathlib import Path

import pytest
from sqlalchemy import Connection

from submarine_jupyter.errors import Conflict, Unavailable
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.experiments import ExperimentRow, NewExperiment, Query
from submarine_jupyter_server.store.sqlite import connection
from submarine_jupyter_server.store.sqlite.database import SqliteDatabase
from submarine_jupyter_server.store.sqlite.file import filesystem
from submarine_jupyter_server.store.sqlite.file.lock import OpenLock
from submarine_jupyter_server.store.sqlite.threads import job_threads

New = Callable[..., NewExperiment]
Opened = Callable[[], AbstractAsyncContextManager[SqliteDatabase]]


def submit(new: New) -> Callable[[Connection], ExperimentRow]:
    def run(tx: Connection) -> ExperimentRow:
        return experiments.insert(tx, new(id=experiments.next_id(tx)))

    return run


async def ids(db: SqliteDatabase) -> list[str]:
    page = await db.read(lambda tx: experiments.page(tx, Query(sort="accepted")))
    return [row.id for row in page.rows]


async def test_a_new_database_is_private_and_empty(opened: Opened, path: Path) -> None:
    async with opened() as db:
        assert (list(db.notices), db.read_only, db.rebuilt) == ([], False, True)
        assert await ids(db) == []
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("PRAGMA application_id").fetchone() == (0x5355424A,)
        assert raw.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]


async def test_what_was_written_is_there_after_a_restart(opened: Opened, new: New) -> None:
    async with opened() as db:
        rows = [await db.write(submit(new)) for _ in range(3)]
    async with opened() as db:
        assert (list(db.notices), db.rebuilt) == ([], False)
        assert await ids(db) == [row.id for row in rows]
        assert (await db.write(submit(new))).id == rows[0].id[:-1] + "4"


async def test_the_connections_are_set_up_to_be_safe(opened: Opened) -> None:
    def pragmas(tx: Connection) -> dict[str, object]:
        names = ("foreign_keys", "trusted_schema", "busy_timeout", "query_only", "mmap_size")
        return {name: tx.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names}

    expected: dict[str, object] = {"foreign_keys": 1, "trusted_schema": 0, "busy_timeout": 5000, "mmap_size": 0}
    async with opened() as db:
        assert await db.write(pragmas) == expected | {"query_only": 0}
        assert await db.read(pragmas) == expected | {"query_only": 1}
        synchronous = await db.write(lambda tx: tx.exec_driver_sql("PRAGMA synchronous").scalar())
        journal = await db.write(lambda tx: tx.exec_driver_sql("PRAGMA journal_mode").scalar())
        assert (journal, synchronous) in (("wal", 2), ("truncate", 3))


async def test_an_exception_undoes_its_own_job_only(opened: Opened, new: New) -> None:
    def fail(tx: Connection) -> None:
        submit(new)(tx)
        raise Conflict("no")

    def break_a_rule(tx: Connection) -> None:
        experiments.insert(tx, new(id="same"))

    hold = threading.Event()
    async with opened() as db:
        blocked = asyncio.ensure_future(db.write(lambda tx: hold.wait(10)))
        await asyncio.sleep(0.05)
        # These six are one transaction: they queue while the first is held.
        jobs_ = (submit(new), fail, break_a_rule, break_a_rule, lambda tx: next(iter(())), submit(new))
        results = asyncio.gather(*(db.write(job) for job in jobs_), return_exceptions=True)
        await asyncio.sleep(0.05)
        hold.set()
        await blocked
        first, failed, made, broken, ended, last = await results
        assert isinstance(first, ExperimentRow)
        assert isinstance(failed, Conflict)
        assert made is None
        assert type(broken).__name__ == "IntegrityError"
        assert isinstance(ended, RuntimeError)
        assert isinstance(last, ExperimentRow)
        assert await ids(db) == [first.id, "same", last.id]


async def test_jobs_that_wait_share_a_commit(opened: Opened, new: New) -> None:
    commits = []
    async with opened() as db:
        db.on_commit = lambda: commits.append(threading.current_thread())
        rows = await asyncio.gather(*(db.write(submit(new)) for _ in range(200)))
    assert len({row.id for row in rows}) == 200
    assert 1 <= len(commits) < 100
    assert set(commits) == {threading.current_thread()}


async def test_a_read_sees_one_state_throughout(opened: Opened, new: New) -> None:
    reading, written = threading.Event(), threading.Event()

    def twice(tx: Connection) -> tuple[int, int]:
        first = experiments.count(tx, Query())
        reading.set()
        # With a rollback journal the commit waits for this reader, so it cannot be waited for here.
        written.wait(0.3)
        return first, experiments.count(tx, Query())

    async with opened() as db:
        await db.write(submit(new))
        counted = asyncio.ensure_future(db.read(twice))
        await asyncio.to_thread(reading.wait, 5)
        await db.write(submit(new))
        written.set()
        assert await counted == (1, 1)
        assert await db.read(lambda tx: experiments.count(tx, Query())) == 2


async def test_a_reader_cannot_write(opened: Opened, new: New) -> None:
    async with opened() as db:
        with pytest.raises(Unavailable):
            await db.read(submit(new))
        assert await ids(db) == []
        await db.write(submit(new))


async def test_a_caller_that_gives_up_before_the_start_changes_nothing(opened: Opened, new: New) -> None:
    begun, hold = threading.Event(), threading.Event()

    def block(tx: Connection) -> bool:
        begun.set()
        return hold.wait(10)

    async with opened() as db:
        blocked = asyncio.ensure_future(db.write(block))
        await asyncio.to_thread(begun.wait, 10)
        given_up = asyncio.ensure_future(db.write(submit(new)))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.wait({given_up})
        await asyncio.sleep(0)  # the queue learns of it from a callback
        hold.set()
        await blocked
        await db.write(submit(new))
        assert len(await ids(db)) == 1


async def test_the_event_loop_is_free_while_the_disk_is_slow(opened: Opened) -> None:
    async with opened() as db:
        hold = threading.Event()
        slow = asyncio.gather(db.write(lambda tx: hold.wait(30)), db.read(lambda tx: hold.wait(30)))
        for _ in range(10):
            await asyncio.sleep(0.01)
        assert not slow.done()
        hold.set()
        assert all(await slow)


async def test_a_closed_database_says_so(opened: Opened, new: New) -> None:
    async with opened() as db:
        last = asyncio.ensure_future(db.write(submit(new)))
        await asyncio.sleep(0)
        await db.close()
        await last
        with pytest.raises(Unavailable, match="closed"):
            await db.write(submit(new))
        with pytest.raises(Unavailable, match="closed"):
            await db.read(lambda tx: None)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait half a second instead of five for a lock."""
    for module in (connection, job_threads):
        monkeypatch.setattr(module, "BUSY_S", 0.5)


@pytest.mark.usefixtures("impatient")
async def test_a_locked_database_is_unavailable_until_it_is_free(opened: Opened, path: Path, new: New) -> None:
    async with opened() as db:
        await db.write(submit(new))
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            first = asyncio.ensure_future(db.write(submit(new)))
            await asyncio.sleep(0.2)
            second = asyncio.ensure_future(db.write(submit(new)))
            for waiting in (first, second, db.read(lambda tx: experiments.count(tx, Query()))):
                with pytest.raises(Unavailable, match="locked"):
                    await waiting
            other.execute("ROLLBACK")
        await db.write(submit(new))
        assert len(await ids(db)) == 2


async def test_who_comes_while_it_is_locked_is_served_when_it_is_free_in_time(
    opened: Opened, path: Path, new: New
) -> None:
    async with opened() as db:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            waiting = asyncio.ensure_future(db.write(submit(new)))
            await asyncio.sleep(0.1)
            other.execute("COMMIT")
            assert (await waiting).status == "Accepted"


async def test_a_file_system_that_refuses_for_a_while(opened: Opened, path: Path, new: New) -> None:
    journal = path.with_name("submarine.db-journal")
    async with opened() as db:
        first = await db.write(submit(new))
        if await db.read(lambda tx: tx.exec_driver_sql("PRAGMA journal_mode").scalar()) == "wal":
            pytest.skip("a journal that is always open cannot be taken away")
        journal.rename(journal.with_suffix(".away"))
        journal.mkdir()
        for _ in range(2):
            with pytest.raises(Unavailable, match="cannot be accessed"):
                await db.write(submit(new))
        journal.rmdir()
        second = await db.write(submit(new))
        assert await ids(db) == [first.id, second.id]


async def test_with_a_write_ahead_log(opened: Opened, path: Path, new: New, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesystem, "_SAFE_WAL", (3, 0, 0))
    if filesystem.journal_mode(path) != "WAL":
        pytest.skip("this file system is not fit for a write-ahead log")

    def journal(tx: Connection) -> tuple[object, object]:
        names = ("journal_mode", "synchronous")
        return tuple(tx.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names)  # type: ignore[return-value]

    async with opened() as one, opened() as two:
        assert await one.write(journal) == ("wal", 2)
        rows = await asyncio.gather(*(db.write(submit(new)) for db in (one, two) for _ in range(20)))
        assert len({row.id for row in rows}) == 40
        backup = await one.backup()
    with closing(sqlite3.connect(backup)) as raw:
        assert raw.execute("SELECT count(*) FROM experiment").fetchone() == (40,)
    # An older SQLite, or another file system, goes back to the journal that is safe there.
    monkeypatch.setattr(filesystem, "_SAFE_WAL", (99,))
    async with opened() as db:
        assert await db.write(journal) == ("truncate", 3)
        assert len(await ids(db)) == 40


async def test_two_servers_may_have_it_open(opened: Opened, new: New) -> None:
    async with opened() as one, opened() as two:
        rows = await asyncio.gather(*(db.write(submit(new)) for db in (one, two) for _ in range(50)))
        assert len({row.id for row in rows}) == 100
        assert await ids(one) == await ids(two)


async def test_opening_does_not_wait_for_ever(path: Path) -> None:
    path.parent.mkdir()
    with path.with_name("submarine.db.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Unavailable, match=r"could not be opened within 0\.2 s"):
            await SqliteDatabase.open(path, timeout=0.2)
    # The thread that was left behind gets the lock now, and gives back what nobody wants any more.
    for thread in threading.enumerate():
        if thread.name == "submarine store opening":
            await asyncio.to_thread(thread.join, 30)
    with path.with_name("submarine.db.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    await (await SqliteDatabase.open(path)).close()


async def test_no_thread_is_left(opened: Opened) -> None:
    def working() -> list[str]:
        names = [thread.name for thread in threading.enumerate()]
        return [name for name in names if name.startswith(("submarine store reader", "submarine store writer"))]

    async with opened():
        assert len(working()) == 3
    assert working() == []


def test_a_database_of_another_program_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("CREATE TABLE bookmarks (url TEXT)")
    before = path.read_bytes()
    with pytest.raises(Unavailable, match="a database of another program"):
        asyncio.run(SqliteDatabase.open(path))
    assert path.read_bytes() == before


def locked_anew(path: Path) -> tuple[OpenLock, bool]:
    """Remove the lock file and lock it, as a newcomer does; return whether that one believes that it is alone."""
    path.with_name("submarine.db.lock").unlink()
    newcomer = OpenLock(path)
    return newcomer, newcomer.alone()


async def test_a_lock_file_that_was_removed_makes_nobody_believe_for_long_that_he_is_alone(
    opened: Opened, path: Path
) -> None:
    async with opened() as db:
        newcomer, alone = locked_anew(path)
        assert alone
        db.keep()
        assert "another server repairs the database" in next(iter(db.notices))
        newcomer.release()
        db.keep()
        assert list(db.notices) == []
        newcomer = OpenLock(path)
        assert not newcomer.alone()
        newcomer.release()
