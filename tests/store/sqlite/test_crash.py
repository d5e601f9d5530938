"""Whatever kills a server, an acknowledged experiment is there afterwards, and once."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

# Stores experiments until it is killed or has stored as many as asked for; prints each id once it is acknowledged.
WRITER = """
import asyncio, itertools, os, sys, uuid
from pathlib import Path
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.orders import outbox
from submarine_jupyter_server.store.reported import events
from submarine_jupyter_server.store.sqlite.database import SqliteDatabase

async def main(path, most):
    db = await SqliteDatabase.open(Path(path))

    def submit(tx):
        new_id = experiments.next_id(tx)
        row = experiments.insert(tx, experiments.NewExperiment(
            new_id, str(uuid.uuid4()), "ada", "local", "default", "n", "PyTorch", "x" * 3000, "{}", 1, ("a", "b")))
        outbox.put(tx, row, "ensure")
        events.append(tx, row.id, type="accepted")
        return row.id

    async def client(share):
        for _ in range(share):
            done = await db.write(submit)
            os.write(1, (done + "\\n").encode())

    print("ready", flush=True)
    await asyncio.gather(*(client(most // 4) for _ in range(4)))
    if len(sys.argv) > 3:
        print(await db.backup())
    await db.close()

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


def start(path: Path, most: int, *more: str, failpoint: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(most), *more],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"SUBMARINE_FAILPOINT": failpoint},
    )


def acknowledged_by(writer: subprocess.Popen[str]) -> list[str]:
    """Wait for the end of a writer; return what it has printed since it was ready."""
    with writer:
        assert writer.stdout is not None
        return writer.stdout.read().split()[1:]


def stored(path: Path) -> list[str]:
    """Return the ids in the database, and make sure that it is whole."""
    with closing(sqlite3.connect(path)) as raw:
        found = [row[0] for row in raw.execute("SELECT id FROM experiment ORDER BY seq")]
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
        # All of a submission, or nothing of it.
        for table in ("outbox", "event"):
            assert [row[0] for row in raw.execute(f"SELECT experiment_id FROM {table} ORDER BY seq")] == found  # noqa: S608
    assert len(set(found)) == len(found)
    return found


def test_no_acknowledged_experiment_is_lost_by_sigkill(path: Path) -> None:
    chance = random.Random(4)
    acknowledged: list[str] = []
    for _ in range(15):
        with start(path, 1_000_000) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
            kill = threading.Timer(chance.uniform(0.0, 0.15), writer.kill)
            kill.start()
            acknowledged += writer.stdout.read().split()
            kill.join()
        assert writer.returncode == -signal.SIGKILL
        assert set(acknowledged) <= set(stored(path))
    assert len(set(acknowledged)) == len(acknowledged) > 15


@pytest.mark.parametrize("name", ["tx_begin", "tx_commit_before", "tx_commit_after"])
@pytest.mark.parametrize("nth", [1, 3])
def test_a_kill_inside_a_transaction_leaves_all_of_it_or_nothing(path: Path, name: str, nth: int) -> None:
    writer = start(path, 40, failpoint=f"{name}:kill:{nth}")
    acknowledged = acknowledged_by(writer)
    assert writer.returncode == 137
    found = stored(path)
    assert set(acknowledged) <= set(found)
    if name == "tx_commit_after":
        assert len(found) > len(acknowledged)


@pytest.mark.parametrize("name", ["tx_begin", "tx_commit_before", "tx_commit_after"])
def test_a_failure_inside_a_transaction_is_told_and_the_next_one_works(path: Path, name: str) -> None:
    probe = """
import asyncio, sys
from pathlib import Path
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.sqlite.database import SqliteDatabase

async def main():
    db = await SqliteDatabase.open(Path(sys.argv[1]))
    try:
        await db.write(experiments.next_id)
    except RuntimeError as error:
        print(error)
    print(await db.write(experiments.next_id))
    await db.close()

asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", probe, str(path)],
        env=os.environ | {"SUBMARINE_FAILPOINT": f"{name}:error"},
        capture_output=True,
        text=True,
        check=True,
    )
    error, new_id = done.stdout.splitlines()
    assert error == f"failpoint {name}"
    assert new_id.endswith("-0002" if name == "tx_commit_after" else "-0001")


def test_two_servers_that_write_at_once_give_out_no_id_twice(path: Path) -> None:
    one, two = start(path, 200), start(path, 200)
    first, second = acknowledged_by(one), acknowledged_by(two)
    assert (one.returncode, two.returncode) == (0, 0)
    assert len(first) == len(second) == 200
    assert sorted(first + second) == sorted(stored(path))


def test_a_kill_during_a_backup_leaves_no_half_of_one(path: Path) -> None:
    acknowledged_by(start(path, 8, "backup"))
    before = sorted((path.parent / "backups").glob("*.db"))
    assert len(before) == 1
    writer = start(path, 8, "backup", failpoint="backup:kill")
    acknowledged_by(writer)
    assert writer.returncode == 137
    assert sorted((path.parent / "backups").glob("*.db")) == before
    assert len(stored(path)) == 16


def test_a_server_starts_without_alembic(path: Path) -> None:
    probe = """
import asyncio, json, sys
from pathlib import Path
from submarine_jupyter_server.store.sqlite.database import SqliteDatabase

async def main():
    for _ in range(2):
        await (await SqliteDatabase.open(Path(sys.argv[1]))).close()
    print(json.dumps(sorted(sys.modules)))

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", probe, str(path)], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert "sqlalchemy" in loaded
    assert not {"alembic", "sqlalchemy.orm", "mako", "tornado", "jupyter_server"} & loaded
