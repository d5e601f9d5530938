"""The schema goes from any version to this one, or stays as it was."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, closing
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from submarine_jupyter.errors import ReadOnly
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.experiments import NewExperiment, Query
from submarine_jupyter_server.store.sqlite import connection, schema
from submarine_jupyter_server.store.sqlite.database import SqliteDatabase
from submarine_jupyter_server.store.sqlite.migrations import upgrade

New = Callable[..., NewExperiment]
Opened = Callable[[], AbstractAsyncContextManager[SqliteDatabase]]

# A revision of the future: it copies a table, adds one, changes rows, and passes failpoints in between.
NEXT = """
import sqlalchemy as sa
from alembic import op
from submarine_jupyter_server.process.failpoints import reach

revision = "0002"
down_revision = "0001"

def upgrade():
    reach("migrate_step")
    op.create_table("label", sa.Column("name", sa.Text(), primary_key=True))
    reach("migrate_step")
    with op.batch_alter_table("experiment", table_kwargs={"sqlite_autoincrement": True}) as batch:
        batch.add_column(sa.Column("colour", sa.Text()))
        batch.alter_column("reason", existing_type=sa.Text(), new_column_name="reason", nullable=True)
    reach("migrate_step")
    op.execute("UPDATE experiment SET colour = 'blue'")
    reach("migrate_step")
"""
# Opens the database with code that knows the revision above.
FUTURE = """
import asyncio, sys
from pathlib import Path
from submarine_jupyter_server.store.sqlite import schema
from submarine_jupyter_server.store.sqlite.database import SqliteDatabase
from submarine_jupyter_server.store.sqlite.migrations import upgrade

schema.REVISIONS, schema.HEAD = ("0001", "0002"), "0002"
upgrade.SCRIPTS = Path(sys.argv[2])

async def main():
    db = await SqliteDatabase.open(Path(sys.argv[1]))
    assert not db.read_only and not db.notices, db.notices
    await db.close()

asyncio.run(main())
"""


def layout(raw: sqlite3.Connection) -> dict[str, str]:
    """Return the statements that would make this schema, without differences in spacing."""
    found = raw.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'")
    # Alembic names the primary key of its own table, which means nothing.
    return {name: re.sub(r"\s+|\bCONSTRAINT alembic_version_pkc\b", "", sql) for name, sql in found}


def test_the_head_is_the_newest_script() -> None:
    config = Config()
    config.set_main_option("script_location", str(upgrade.SCRIPTS))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [schema.HEAD]
    assert tuple(script.revision for script in scripts.walk_revisions())[::-1] == schema.REVISIONS


def test_the_migrations_build_what_the_tables_say(tmp_path: Path) -> None:
    built, migrated = tmp_path / "built.db", tmp_path / "migrated.db"
    for file in (built, migrated):
        file.touch()
    with connection.opened(built) as tx, connection.immediate(tx):
        schema.create(tx)
    with connection.opened(migrated, foreign_keys=False) as tx, connection.immediate(tx):
        upgrade.upgrade(tx)
    with closing(sqlite3.connect(built)) as one, closing(sqlite3.connect(migrated)) as two:
        assert layout(one) == layout(two)
        version = "SELECT version_num FROM alembic_version"
        assert one.execute(version).fetchall() == two.execute(version).fetchall() == [(schema.HEAD,)]


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """The migrations, with one more."""
    folder = tmp_path / "100% migrations"
    shutil.copytree(upgrade.SCRIPTS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "v0002_next.py").write_text(NEXT)
    return folder


def content(path: Path) -> bytes:
    return path.read_bytes()


def open_in_future(path: Path, scripts: Path, failpoint: str = "") -> int:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FUTURE, str(path), str(scripts)],
        env=os.environ | {"SUBMARINE_FAILPOINT": failpoint},
        capture_output=True,
        text=True,
        check=False,
    )
    if not failpoint:
        assert done.returncode == 0, done.stderr
    return done.returncode


async def fill(opened: Opened, new: New) -> None:
    async with opened() as db:
        for _ in range(50):
            await db.write(lambda tx: experiments.insert(tx, new(id=experiments.next_id(tx), tags=("a",))))


async def test_a_kill_in_a_migration_leaves_the_old_schema_or_the_new_one(
    opened: Opened, path: Path, new: New, scripts: Path
) -> None:
    await fill(opened, new)
    with closing(sqlite3.connect(path)) as raw:
        before = layout(raw)
    killed = 0
    while open_in_future(path, scripts, f"migrate_step:kill:{killed + 1}") == 137:
        killed += 1
        with closing(sqlite3.connect(path)) as raw:
            assert layout(raw) == before
            assert raw.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]
            assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        # The old version goes on with it.
        async with opened() as db:
            assert (list(db.notices), db.read_only) == ([], False)
            assert await db.read(lambda tx: experiments.count(tx, Query(tags=("a",)))) == 50
    assert killed >= 6
    with closing(sqlite3.connect(path)) as raw:
        # What Alembic copies, it copies with all indexes.
        after = layout(raw)
        assert {name: after[name] for name in before if name != "experiment"} == {
            name: before[name] for name in before if name != "experiment"
        }
        assert "AUTOINCREMENT" in after["experiment"]
        assert raw.execute("SELECT version_num FROM alembic_version").fetchall() == [("0002",)]
        assert raw.execute("SELECT colour, count(*) FROM experiment").fetchall() == [("blue", 50)]
        assert raw.execute("SELECT count(*) FROM experiment_tag").fetchone() == (50,)
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
    backup = max((path.parent / "backups").glob("*.db"))
    with closing(sqlite3.connect(backup)) as raw:
        assert layout(raw) == before


async def test_a_migration_that_fails_leaves_the_old_schema(
    opened: Opened, path: Path, new: New, scripts: Path
) -> None:
    await fill(opened, new)
    assert open_in_future(path, scripts, "migrate_step:error:4") == 1
    async with opened() as db:
        assert (list(db.notices), db.read_only) == ([], False)
        assert await db.read(lambda tx: experiments.count(tx, Query())) == 50


async def test_a_newer_schema_is_only_read(opened: Opened, path: Path, new: New, scripts: Path) -> None:
    await fill(opened, new)
    open_in_future(path, scripts)
    before = content(path)
    async with opened() as db:
        assert db.read_only
        assert "newer version of submarine-jupyter" in next(iter(db.notices))
        assert await db.read(lambda tx: experiments.count(tx, Query())) == 50
        for refused in (db.write(lambda tx: None), db.backup()):
            with pytest.raises(ReadOnly, match="Upgrade submarine-jupyter") as caught:
                await refused
            assert caught.value.status == 503
    assert content(path) == before


async def test_what_cannot_be_read_of_a_newer_schema_is_told(opened: Opened, path: Path, new: New) -> None:
    await fill(opened, new)
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("ALTER TABLE experiment RENAME COLUMN reason TO cause")
        raw.execute("UPDATE alembic_version SET version_num = '0999'")
    async with opened() as db:
        assert db.read_only
        with pytest.raises(ReadOnly, match="newer version"):
            await db.read(lambda tx: experiments.page(tx, Query()))


async def test_a_server_stops_writing_when_a_newer_one_migrates_under_it(
    opened: Opened, path: Path, new: New, scripts: Path
) -> None:
    await fill(opened, new)
    async with opened() as db:
        await db.write(lambda tx: experiments.insert(tx, new()))
        open_in_future(path, scripts)
        assert not db.read_only
        for _ in range(2):
            with pytest.raises(ReadOnly, match="newer version"):
                await db.write(lambda tx: experiments.insert(tx, new()))
        assert db.read_only
        assert len(db.notices) == 1
        assert await db.read(lambda tx: experiments.count(tx, Query())) == 51
