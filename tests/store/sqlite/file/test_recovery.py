"""A database file that was damaged, lost or is another's: the server starts, and says what happened."""

from __future__ import annotations

import random
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, closing
from pathlib import Path

import pytest
from sqlalchemy import Connection

from submarine_jupyter.errors import SubmarineError, Unavailable
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.experiments import ExperimentRow, NewExperiment, Query
from submarine_jupyter_server.store.reported import events
from submarine_jupyter_server.store.sqlite.database import SqliteDatabase
from submarine_jupyter_server.store.sqlite.file import backups, recovery

New = Callable[..., NewExperiment]
Opened = Callable[[], AbstractAsyncContextManager[SqliteDatabase]]
Damage = Callable[[Path, random.Random], None]
SAVED, LOST = 40, 5


def submit(new: New) -> Callable[[Connection], ExperimentRow]:
    def run(tx: Connection) -> ExperimentRow:
        row = experiments.insert(tx, new(id=experiments.next_id(tx), spec='{"a": "' + "s" * 2000 + '"}', tags=("a",)))
        events.append(tx, row.id, type="accepted")
        return row

    return run


def content(path: Path) -> bytes:
    return path.read_bytes()


def overwrite(path: Path, with_: bytes) -> None:
    path.write_bytes(with_)


def flip(path: Path, chance: random.Random, count: int = 1) -> None:
    changed = bytearray(path.read_bytes())
    for _ in range(count):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    path.write_bytes(changed)


def truncate(path: Path, chance: random.Random) -> None:
    # By a page at least: of the last one nothing but its unused end may be lost, which harms nobody.
    path.write_bytes(path.read_bytes()[: chance.randrange(1, path.stat().st_size - 4096)])


def empty(path: Path, chance: random.Random) -> None:
    path.write_bytes(b"")


def zero(path: Path, chance: random.Random) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def noise(path: Path, chance: random.Random) -> None:
    path.write_bytes(chance.randbytes(path.stat().st_size))


def page(path: Path, chance: random.Random) -> None:
    changed = bytearray(path.read_bytes())
    at = 4096 * chance.randrange(len(changed) // 4096)
    changed[at : at + 4096] = chance.randbytes(4096)
    path.write_bytes(changed)


def header(path: Path, chance: random.Random) -> None:
    changed = bytearray(path.read_bytes())
    changed[chance.randrange(100)] ^= 1 << chance.randrange(8)
    path.write_bytes(changed)


def text_instead(path: Path, chance: random.Random) -> None:
    path.write_text("This used to be a database.\n" * 500)


def missing(path: Path, chance: random.Random) -> None:
    path.unlink()


async def prepare(opened: Opened, new: New) -> list[ExperimentRow]:
    """Store experiments, make a backup of them, and store some more."""
    async with opened() as db:
        rows = [await db.write(submit(new)) for _ in range(SAVED)]
        await db.backup()
        return rows + [await db.write(submit(new)) for _ in range(LOST)]


@pytest.mark.parametrize("damage", [truncate, empty, zero, noise, text_instead, missing])
async def test_a_lost_file_is_replaced_by_the_newest_backup(
    opened: Opened, path: Path, new: New, damage: Damage
) -> None:
    rows = await prepare(opened, new)
    for seed in range(20 if damage is truncate else 1):
        damage(path, random.Random(seed))
        async with opened() as db:
            assert db.rebuilt
            assert len(db.notices) == 1
            assert "database of experiments was" in next(iter(db.notices))
            assert "was restored" in next(iter(db.notices))
            assert not db.read_only
            found = await db.read(lambda tx: experiments.page(tx, Query(sort="accepted")))
            assert [row.id for row in found.rows] == [row.id for row in rows[:SAVED]]
            # What was given out since the backup, and is lost here, is never given out again.
            made = await db.write(submit(new))
            assert made.id not in {row.id for row in rows}
            assert made.id.endswith("-0001")
        async with opened() as db:
            assert (list(db.notices), db.rebuilt) == ([], False)
    aside = sorted(path.parent.glob("submarine.db.corrupt-*"))
    assert bool(aside) == (damage not in (empty, missing))


@pytest.mark.parametrize("damage", [flip, page, header])
async def test_damage_anywhere_never_keeps_the_server_from_starting(
    opened: Opened, path: Path, new: New, damage: Damage, tmp_path: Path
) -> None:
    rows = {row.id for row in await prepare(opened, new)}
    whole = tmp_path / "whole"
    shutil.copytree(path.parent, whole)
    noticed = 0
    for seed in range(40):
        shutil.rmtree(path.parent)
        shutil.copytree(whole, path.parent)
        damage(path, random.Random(seed))
        async with opened() as db:
            noticed += db.rebuilt
            assert db.rebuilt == bool(db.notices)
            if db.read_only:
                # One flipped bit can make the version one that is not known.
                assert "newer" in next(iter(db.notices))
                continue
            found = await db.read(lambda tx: experiments.page(tx, Query()))
            if db.rebuilt:
                assert len(found.rows) == SAVED
                assert {row.id for row in found.rows} < rows
            assert (await db.write(submit(new))).id not in rows
    assert noticed > (0 if damage is flip else 12)


async def test_events_go_on_above_what_listeners_have_seen(opened: Opened, path: Path, new: New) -> None:
    await prepare(opened, new)
    async with opened() as db:
        seen = await db.read(events.last_seq)
    overwrite(path, b"")
    async with opened() as db:
        await db.write(submit(new))
        assert await db.read(events.last_seq) > seen
    shutil.rmtree(path.parent)
    async with opened() as db:
        await db.write(submit(new))
        assert await db.read(events.last_seq) > seen


async def test_a_damaged_backup_is_passed_over(opened: Opened, path: Path, new: New) -> None:
    async with opened() as db:
        for _ in range(3):
            await db.write(submit(new))
            await db.backup()
    oldest, middle, newest = sorted((path.parent / "backups").glob("*.db"))
    truncate(newest, random.Random(1))
    overwrite(middle, b"")
    overwrite(path, b"no database")
    async with opened() as db:
        assert await db.read(lambda tx: experiments.count(tx, Query())) == 1
    for backup in (oldest, middle, newest):
        overwrite(backup, b"no backup")
    overwrite(path, b"no database")
    async with opened() as db:
        assert db.rebuilt
        assert "There was no backup" in next(iter(db.notices))
        assert await db.read(lambda tx: experiments.count(tx, Query())) == 0
        await db.write(submit(new))
    assert len(list(path.parent.glob("submarine.db.corrupt-*"))) == 2


async def test_a_journal_never_meets_another_database(opened: Opened, path: Path, new: New) -> None:
    await prepare(opened, new)
    missing(path, random.Random())
    path.with_name("submarine.db-journal").write_bytes(b"of the database that is gone")
    async with opened() as db:
        assert db.rebuilt
    (aside,) = path.parent.glob("submarine.db.corrupt-*-journal")
    assert aside.read_bytes() == b"of the database that is gone"


async def test_a_check_that_takes_too_long_is_broken_off(
    opened: Opened, path: Path, new: New, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened() as db:
        for _ in range(10):
            await db.write(lambda tx: [experiments.insert(tx, new(spec="x" * 4000)) for _ in range(100)])
    for seconds in (0.0, 0.0005, 0.001, 0.002):
        monkeypatch.setattr(recovery, "_CHECK_S", seconds)
        async with opened() as db:
            assert (list(db.notices), db.rebuilt) == ([], False)
            assert await db.read(lambda tx: experiments.count(tx, Query())) == 1000


async def test_the_newest_three_backups_are_kept(opened: Opened, path: Path, new: New) -> None:
    async with opened() as db:
        made = []
        for _ in range(5):
            await db.write(submit(new))
            made.append(await db.backup())
    assert sorted((path.parent / "backups").iterdir()) == made[2:]
    with closing(sqlite3.connect(made[-1])) as raw:
        assert raw.execute("SELECT count(*) FROM experiment").fetchone() == (5,)
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_a_start_after_a_long_time_makes_a_backup(opened: Opened, path: Path, new: New) -> None:
    async with opened() as db:
        await db.write(submit(new))
    assert not (path.parent / "backups").exists()
    async with opened():
        pass
    backups = list((path.parent / "backups").glob("*.db"))
    async with opened():
        pass
    assert list((path.parent / "backups").glob("*.db")) == backups
    assert len(backups) == 1


async def test_a_file_that_is_removed_under_a_server_takes_no_more_writes(opened: Opened, path: Path, new: New) -> None:
    async with opened() as db:
        await db.write(submit(new))
        await db.backup()
        missing(path, random.Random())
        for _ in range(2):
            with pytest.raises(Unavailable, match="cannot be accessed"):
                await db.write(submit(new))
    async with opened() as db:
        assert db.rebuilt
        assert await db.read(lambda tx: experiments.count(tx, Query())) == 1


async def test_a_damaged_file_that_another_server_has_open_is_not_touched(opened: Opened, path: Path, new: New) -> None:
    async with opened() as db:
        await db.write(submit(new))
        headless = bytes(100) + content(path)[100:]
        overwrite(path, headless)
        with pytest.raises(Unavailable, match="damaged"):
            await SqliteDatabase.open(path)
        assert content(path) == headless
        for _ in range(2):
            with pytest.raises(SubmarineError, match="damaged"):
                await db.write(submit(new))
    async with opened() as db:
        assert db.rebuilt


async def test_backups_of_a_clock_that_was_ahead_neither_block_nor_replace_newer_ones(
    opened: Opened, path: Path, new: New
) -> None:
    async with opened() as db:
        await db.write(submit(new))
        old = await db.backup()
        for n in range(3):
            shutil.copy(old, old.with_name(f"submarine-20990101T00000{n}000000.db"))
        last = await db.write(submit(new))
        made = await db.backup()
        assert made.exists()
        assert backups.stored(path)[0] == made
    overwrite(path, b"")
    async with opened() as db:
        assert await db.read(lambda tx: experiments.find(tx, last.id)) is not None
    for backup in (made, old):
        backup.unlink()
    assert backups.due(path)


async def test_numbers_of_events_are_new_though_the_clock_is_behind(
    opened: Opened, path: Path, new: New, monkeypatch: pytest.MonkeyPatch
) -> None:
    await prepare(opened, new)
    async with opened() as db:
        for _ in range(100):
            await db.write(submit(new))
        seen = await db.read(events.last_seq)
    overwrite(path, b"")
    monkeypatch.setattr(time, "time_ns", lambda: 1_500_000_000 * 10**9)
    async with opened() as db:
        await db.write(submit(new))
        assert await db.read(events.last_seq) > seen


async def test_a_revision_of_another_scheme_is_a_newer_one(opened: Opened, path: Path, new: New) -> None:
    async with opened() as db:
        row = await db.write(submit(new))
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("UPDATE alembic_version SET version_num = '2027_04a'")
    async with opened() as db:
        assert db.read_only
        assert "newer version" in next(iter(db.notices))
        assert await db.read(lambda tx: experiments.find(tx, row.id)) is not None


async def test_a_lost_database_without_a_backup_is_told_where_there_was_one(opened: Opened, path: Path) -> None:
    async with opened() as db:
        assert list(db.notices) == []
    missing(path, random.Random())
    async with opened() as db:
        assert "was missing. There was no backup: the server made a new database" in next(iter(db.notices))
