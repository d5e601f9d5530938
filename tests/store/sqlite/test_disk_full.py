"""A full disk refuses what is new, loses nothing, and still records how things end."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import Connection

from submarine_jupyter.errors import StorageFull
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.experiments import ExperimentRow, NewExperiment, Query
from submarine_jupyter_server.store.orders import outbox
from submarine_jupyter_server.store.reported import events, metrics
from submarine_jupyter_server.store.sqlite.database import SqliteDatabase

New = Callable[..., NewExperiment]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 6 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(tmp_path)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def fill(file: Path) -> None:
    """Take all space that is left."""
    with file.open("ab", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(bytes(4096))


def submit(new: New) -> Callable[[Connection], ExperimentRow]:
    def run(tx: Connection) -> ExperimentRow:
        row = experiments.insert(tx, new(id=experiments.next_id(tx), spec="x" * 20_000))
        outbox.put(tx, row, "ensure")
        return row

    return run


def end(row: ExperimentRow) -> Callable[[Connection], ExperimentRow | None]:
    """Return what is done when an experiment ends."""

    def run(tx: Connection) -> ExperimentRow | None:
        outbox.put(tx, row, "delete")
        events.append(tx, row.id, type="status", status="Failed", message="why " * 100)
        return experiments.advance(tx, row.id, uid=row.uid, attempt=1, status="Failed", at_ms=row.accepted)

    return run


async def submit_for_ever(db: SqliteDatabase, new: New, rows: list[ExperimentRow]) -> None:
    while True:
        rows.append(await db.write(submit(new)))


async def submit_within_five_seconds(db: SqliteDatabase, new: New) -> ExperimentRow:
    for _ in range(50):
        with suppress(StorageFull):
            return await db.write(submit(new))
        await asyncio.sleep(0.1)
    pytest.fail("it did not recover within five seconds")


async def test_a_full_disk(disk: Path, new: New) -> None:
    path, ballast, filler = disk / "submarine.db", disk / "submarine.db.ballast", disk / "filler"
    db = await SqliteDatabase.open(path)
    try:
        rows = [await db.write(submit(new)) for _ in range(20)]
        assert ballast.stat().st_size == 1 << 20
        fill(filler)
        for _ in range(3):
            with pytest.raises(StorageFull, match="full") as caught:
                await submit_for_ever(db, new, rows)
            assert caught.value.status == 507
        assert not ballast.exists()

        for row in rows:
            ended = await db.write(end(row))
            assert ended is not None
            assert ended.status == "Failed"
        with pytest.raises(StorageFull):
            await db.write(lambda tx: metrics.record(tx, rows[0].id, 1, "w", 1, [("loss", 1.0, 1, 1)]))
        assert await db.read(lambda tx: experiments.count(tx, Query(statuses=("failed",)))) == len(rows)

        filler.unlink()
        rows.append(await submit_within_five_seconds(db, new))
        assert ballast.stat().st_size == 1 << 20
    finally:
        await db.close()
    await check(path, rows)


async def check(path: Path, rows: list[ExperimentRow]) -> None:
    """Make sure that the database is whole and has exactly these experiments."""
    db = await SqliteDatabase.open(path)
    try:
        assert (list(db.notices), db.rebuilt) == ([], False)
        page = await db.read(lambda tx: experiments.page(tx, Query(sort="accepted")))
        assert [row.id for row in page.rows] == [row.id for row in rows]
    finally:
        await db.close()


async def test_a_server_starts_on_a_full_disk(disk: Path, new: New) -> None:
    path = disk / "submarine.db"
    db = await SqliteDatabase.open(path)
    row = await db.write(lambda tx: experiments.insert(tx, new()))
    await db.close()
    (disk / "submarine.db.ballast").unlink()
    fill(disk / "filler")
    db = await SqliteDatabase.open(path)
    try:
        assert await db.read(lambda tx: experiments.find(tx, row.id)) == row
        with pytest.raises(StorageFull):
            await db.write(lambda tx: experiments.insert(tx, new(spec="x" * 20_000)))
        with pytest.raises(StorageFull):
            await db.backup()
        assert not list((disk / "backups").glob("*"))
    finally:
        await db.close()


async def test_no_database_can_be_made_on_a_full_disk(disk: Path) -> None:
    fill(disk / "filler")
    with pytest.raises(StorageFull):
        await SqliteDatabase.open(disk / "submarine.db")
    (disk / "filler").unlink()
    db = await SqliteDatabase.open(disk / "submarine.db")
    await db.close()


QUOTA = """
import asyncio, os, sys
from pathlib import Path
from submarine_jupyter.errors import StorageFull
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.engine.space import require_space
from submarine_jupyter_server.store.sqlite.database import SqliteDatabase

async def main(folder, on):
    db = await SqliteDatabase.open(folder / "submarine.db")
    await db.write(experiments.next_id)
    on.touch()
    try:
        await db.write(lambda tx: (require_space(tx), experiments.next_id(tx)))
    except StorageFull as error:
        print(error.status, (folder / "submarine.db.ballast").exists(), list(db.notices))
    print(await db.write(experiments.next_id))  # as the end of an experiment is recorded
    on.unlink()
    while True:
        try:
            print(await db.write(lambda tx: (require_space(tx), experiments.next_id(tx))[1]), list(db.notices))
            break
        except StorageFull:
            await asyncio.sleep(0.1)
    await db.close()

asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
"""


def test_a_quota_that_is_used_up_is_a_full_disk(tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("no C compiler: a quota cannot be imitated")
    library, on, folder = tmp_path / "quota.so", tmp_path / "on", tmp_path / "data"
    source = Path(__file__).with_name("quota.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    env = os.environ | {"LD_PRELOAD": str(library), "QUOTA_OF": str(folder), "QUOTA_ON": str(on)}
    done = subprocess.run(
        [sys.executable, "-c", QUOTA, folder, on], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    refused, ended, again = done.stdout.splitlines()
    assert refused == f"507 False ['The disk of {folder} is full: only what ends is recorded from now on.']"
    assert ended.endswith("-0002")
    assert again.endswith("-0003 []")
