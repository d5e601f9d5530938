"""What a target saw becomes a status once and in order, and everybody is told."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from submarine_jupyter.models import Status
from submarine_jupyter_server.control import lifecycle
from submarine_jupyter_server.control.lifecycle import Lifecycle
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.experiments import ExperimentRow, NewExperiment
from submarine_jupyter_server.store.reported import events, replicas
from submarine_jupyter_server.store.sqlite.database import SqliteDatabase
from submarine_jupyter_server.targets.protocol import Observation, ReplicaState

AT = 1_700_000_000_000
NEW = NewExperiment("experiment-1-0001", "uid", "ada", "local", "default", "n", "PyTorch", "{}", "{}", AT)
SEEN = Observation("experiment-1-0001", "uid", 1, 1, Status.RUNNING, AT + 5)


class Life:
    """One experiment, and what was done beside its status: the ends that were awaited, the moves that were told."""

    def __init__(self, db: SqliteDatabase) -> None:
        self.db = db
        self.done: list[str] = []
        self.lifecycle = Lifecycle(db, self._ending, self._moved)

    async def _ending(self, seen: Observation) -> None:
        row = await self.db.read(lambda tx: experiments.find(tx, seen.experiment_id))
        self.done.append(f"ending while {row.status if row else None}")

    async def _moved(self, row: ExperimentRow) -> None:
        self.done.append(f"moved to {row.status}")

    async def see(self, **changes: Any) -> tuple[str, str | None]:
        await self.lifecycle.observe(replace(SEEN, **changes))
        row = await self.db.read(lambda tx: experiments.find(tx, NEW.id, include_deleted=True))
        assert row is not None
        return row.status, row.reason

    async def told(self) -> list[tuple[str, str | None]]:
        found = await self.db.read(lambda tx: events.of(tx, NEW.id, 100))
        return [(event.type, event.status) for event in found]


@asynccontextmanager
async def life(folder: Path) -> AsyncIterator[Life]:
    db = await SqliteDatabase.open(folder / "submarine.db")
    await db.write(lambda tx: experiments.insert(tx, NEW))
    try:
        yield Life(db)
    finally:
        await db.close()


async def test_the_end_is_prepared_before_it_is_told_and_never_changes(tmp_path: Path) -> None:
    async with life(tmp_path) as one:
        assert await one.see() == ("Running", None)
        assert await one.see(status=Status.CREATED) == ("Running", None)
        assert await one.see(status=Status.FAILED, reason="OOMKilled") == ("Failed", "OOMKilled")
        assert await one.see(status=Status.SUCCEEDED) == ("Failed", "OOMKilled")
        assert one.done == ["moved to Running", "ending while Running", "moved to Failed", "ending while Failed"]
        assert await one.told() == [("status", "Running"), ("status", "Failed")]


async def test_only_what_is_meant_counts(tmp_path: Path) -> None:
    async with life(tmp_path) as one:
        assert await one.see(uid="another") == ("Accepted", None)
        assert await one.see(attempt=2) == ("Running", None)
        assert await one.see(attempt=1, status=Status.FAILED) == ("Running", None)
        assert await one.told() == [("status", "Running")]


async def test_the_same_again_tells_nobody(tmp_path: Path) -> None:
    async with life(tmp_path) as one:
        for pid in (1, 1, 2):
            worker = ReplicaState("worker-0", "Worker", 0, "Running", pid=pid)
            await one.see(reason="Queued", message="m", replicas=(worker,))
        assert await one.told() == [("status", "Running")]
        await one.see(reason=None)
        assert await one.told() == [("status", "Running"), ("reason", "Running")]


async def test_what_is_reported_late_lets_no_replica_run_again(tmp_path: Path) -> None:
    async with life(tmp_path) as one:
        worker = ReplicaState("worker-0", "Worker", 0, "Running", pid=7)
        failed = replace(worker, status="Failed", pid=None, signal="SIGKILL")
        for status, state in ((Status.RUNNING, worker), (Status.FAILED, failed), (Status.RUNNING, worker)):
            await one.see(status=status, replicas=(state,))
        [shown] = await one.db.read(lambda tx: replicas.of(tx, NEW.id, 1))
        assert (shown.status, shown.pid, shown.signal) == ("Failed", None, "SIGKILL")


async def test_a_deletion_is_told_once(tmp_path: Path) -> None:
    async with life(tmp_path) as one:
        deleted = await one.db.write(lambda tx: experiments.mark_deleted(tx, NEW.id, AT + 9))
        assert deleted is not None
        assert not await one.db.read(lambda tx: lifecycle.is_deletion_reported(tx, NEW.id))
        for _ in range(2):
            await one.db.write(lambda tx: lifecycle.report_deleted(tx, deleted))
        assert await one.told() == [("deleted", "Deleted")]
        assert (await one.see())[0] == "Accepted"
        assert json.dumps(await one.told()) == json.dumps([("deleted", "Deleted")])
