"""Make the database and the targets agree: at start, every few minutes, and on doubt.

row                  on the target     what is done
live                 absent, twice     given to the target again if it never made anything for it; else Failed, with
                                       the cause of the absence as the target says it
live                 newer             the row is behind: it takes over spec, generation and attempt
live                 buried            the row is behind: it is deleted
live, to be stopped  ended             Stopped, also where the end is that of an older attempt; else stopped again
live                 present           the target's observation is applied
deleted              not deleted       deleted again
none                 present           the row is written again, where nobody else can have written its record
deleted long ago     present           its files are removed
ended                absent, twice     it is noted that what was made for it is gone

Each experiment is a transaction of its own kind: one that cannot be reconciled is set aside, and the others go on.
What becomes of one is decided in `comparison`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from submarine_jupyter.errors import StorageFull, SubmarineError, TargetUnavailable, Unavailable
from submarine_jupyter.models import Status
from submarine_jupyter_server.control.comparison import compare, end, never_began
from submarine_jupyter_server.control.restoration import SetAside
from submarine_jupyter_server.process.clock import now_ms
from submarine_jupyter_server.process.failpoints import reach
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.annotations import groups
from submarine_jupyter_server.store.engine.database import Database
from submarine_jupyter_server.store.orders import idempotency, outbox
from submarine_jupyter_server.store.reported import events, objects
from submarine_jupyter_server.store.trusted_clock import SteadyClock
from submarine_jupyter_server.targets.protocol import Absence, ComputeTarget, Found, Inventory

log = logging.getLogger(__name__)
DAY_MS = 86_400_000
# How long events can be resumed from and keys of requests are known.
KEPT_DAYS = 30
BATCH = 50
# What was absent once may have been hidden by an outage of a moment.
ABSENT_AGAIN_S = 5.0
INVENTORY_S = 120.0
# To find out why one experiment is gone, and of how many at once.
ABSENCE_S = 30.0
ABSENCES = 8


class Reconcile:
    """Compares rows with what exists on the targets; what was deleted ``retention_days`` ago loses its files."""

    def __init__(self, db: Database, targets: Mapping[str, ComputeTarget], retention_days: float | None) -> None:
        self._db = db
        self._targets = targets
        self._retention_days = retention_days
        self._clock = SteadyClock()
        self._known: dict[str, _Known] = {}
        self._absent: dict[str, float] = {}
        self._unknown: dict[str, frozenset[str]] = {}
        self._hidden = False
        self.aside: dict[str, str] = {}
        """The experiments that could not be reconciled the last time, and why."""

    @property
    def again(self) -> bool:
        """Whether something is to be inspected a second time, some seconds from now, before it is believed."""
        return bool(self._absent) or self._hidden

    async def run(self) -> int:
        """Reconcile every target once; return how many rows were written again."""
        restored, failed = 0, None
        self.aside.clear()
        self._hidden = False
        for target in list(self._targets.values()):
            try:
                restored += await self._one(target)
            except Exception as error:  # noqa: BLE001 - raised once the other targets have had their turn
                failed = error
            reach("reconcile")
        await self._purge()
        if failed is not None:
            raise failed
        return restored

    async def _one(self, target: ComputeTarget) -> int:
        # Only what was settled before the target was asked can be missing: an order under way may be done just after.
        known = self._known.setdefault(target.name, _Known())
        settled = await self._db.read(lambda tx: known.refresh(tx, target.name))
        # A restored database may be behind also where its rows have ended: a deletion, which nothing undoes.
        complete = not await self._db.read(lambda tx: experiments.is_compared(tx, target.name))
        try:
            async with asyncio.timeout(INVENTORY_S):
                inventory = await target.inventory(() if complete else known)
        except SubmarineError as error:
            log.warning("Target %s cannot be inspected now: %s", target.name, error)
            return 0
        restored = 0
        before, self._unknown[target.name] = self._unknown.get(target.name, frozenset()), inventory.unknown
        # An order that is under way hides an experiment for a moment: only what stays hidden is worth a word.
        self.aside |= dict.fromkeys(inventory.unknown & before, "it could not be read")
        self._hidden |= bool(inventory.unknown - before)
        for begin in range(0, len(inventory.found), BATCH):
            batch = inventory.found[begin : begin + BATCH]
            restored += await self._db.write(lambda tx, batch=batch: self._compare(tx, target, batch))  # type: ignore[misc]
        await self._end(target, self._gone(settled, inventory))
        if complete and not inventory.unknown:
            await self._db.write(lambda tx: experiments.note_compared(tx, target.name))
        return restored

    def _compare(self, tx: Connection, target: ComputeTarget, batch: tuple[Found, ...]) -> int:
        return sum(
            self._apart(tx, item.experiment_id, lambda item=item: compare(tx, target, item))  # type: ignore[misc]
            for item in batch
        )

    def _apart(self, tx: Connection, experiment_id: str, work: Callable[[], int | None]) -> int:
        """Do what concerns one experiment, and set it aside where that fails: the others go on."""
        try:
            with tx.begin_nested():
                return work() or 0
        except (StorageFull, Unavailable, OperationalError):
            raise
        except SetAside as why:
            self.aside[experiment_id] = str(why)
        except Exception as error:
            self.aside[experiment_id] = f"{type(error).__name__}: {error}"[:500]
            log.exception("%s is set aside", experiment_id)
        return 0

    async def _end(self, target: ComputeTarget, gone: list[str]) -> None:
        """End what is gone, each with its cause; what cannot be known now is inspected again."""
        if not gone:
            return
        ending = await self._db.read(lambda tx: _to_end(tx, gone))
        limit = asyncio.Semaphore(ABSENCES)
        found = await asyncio.gather(*(self._cause(target, name, limit) for name in ending))
        causes = dict(zip(ending, found, strict=True))

        def store(tx: Connection) -> None:
            for experiment_id in gone:
                cause = causes.get(experiment_id)
                self._apart(tx, experiment_id, lambda name=experiment_id, cause=cause: end(tx, name, cause))  # type: ignore[misc]

        await self._db.write(store)
        for experiment_id, attempt in await self._db.read(lambda tx: _ended(tx, gone)):
            await target.conclude(experiment_id, attempt)

    async def _cause(self, target: ComputeTarget, experiment_id: str, limit: asyncio.Semaphore) -> Absence | None:
        """Return why an experiment is gone, None where nobody can say that now."""
        try:
            async with limit, asyncio.timeout(ABSENCE_S):
                return await target.absence(experiment_id)
        except (TargetUnavailable, TimeoutError) as error:
            log.info("Why %s is gone cannot be found out now: %s", experiment_id, error)
            self._absent[experiment_id] = time.monotonic()
        except Exception as error:
            self.aside[experiment_id] = f"{type(error).__name__}: {error}"[:500]
            log.exception("Why %s is gone cannot be found out", experiment_id)
        return None

    def _gone(self, settled: Mapping[str, str], inventory: Inventory) -> list[str]:
        """Return the experiments that were absent now and some seconds ago, both times for sure."""
        present = {item.experiment_id for item in inventory.found} | inventory.unknown
        now, gone = time.monotonic(), []
        for experiment_id, namespace in settled.items():
            unseen = inventory.namespaces is not None and namespace not in inventory.namespaces
            if unseen or experiment_id in present:
                self._absent.pop(experiment_id, None)
            elif now - self._absent.setdefault(experiment_id, now) >= ABSENT_AGAIN_S:
                del self._absent[experiment_id]
                gone.append(experiment_id)
        return gone

    async def _purge(self) -> None:
        if not await self._db.write(self._forget_old) or self._retention_days is None:
            return
        before = now_ms() - int(self._retention_days * DAY_MS)
        for row in await self._db.read(lambda tx: experiments.expired_deleted(tx, before)):
            if (target := self._targets.get(row.target)) is None:
                continue
            try:
                await target.purge(row.id, row.uid)
            except TargetUnavailable as error:
                log.warning("The files of %s cannot be removed now: %s", row.id, error)
                continue
            except Exception:
                log.exception("The files of %s cannot be removed", row.id)
                continue
            await self._db.write(lambda tx, id_=row.id: experiments.forget(tx, id_))  # type: ignore[misc]

    def _forget_old(self, tx: Connection) -> bool:
        """Remove old events and keys; False where the clock cannot be trusted to say what is old."""
        if not self._clock.trusted(tx):
            return False
        before = now_ms() - KEPT_DAYS * DAY_MS
        events.purge(tx, before)
        idempotency.purge(tx, before)
        return True


def _to_end(tx: Connection, gone: list[str]) -> list[str]:
    """Return the experiments that end because they are gone: not those that never began, nor those that ended."""
    rows = (experiments.find(tx, experiment_id) for experiment_id in gone)
    return [row.id for row in rows if row is not None and not Status(row.status).final and not never_began(tx, row)]


def _ended(tx: Connection, gone: list[str]) -> list[tuple[str, int]]:
    """Return those that have ended, also before they were gone, each with its last attempt."""
    rows = (experiments.find(tx, experiment_id) for experiment_id in gone)
    return [(row.id, row.attempt) for row in rows if row is not None and Status(row.status).final]


class _Known(Collection[str]):
    """The experiments of a target whose rows are settled: nothing of them has to be read again.

    Ids are fetched once, then only new ones: history costs memory, no time.
    """

    def __init__(self) -> None:
        self._all: set[str] = set()
        self._open: frozenset[str] = frozenset()
        self._last = 0

    def refresh(self, tx: Connection, target: str) -> dict[str, str]:
        """Fetch what is new; return those that something may be there of, each with its namespace.

        They have no order under way, nor wait for one: they are live, or something was made for them before they
        ended.
        """
        self._last, new = experiments.ids_after(tx, target, self._last)
        first = not self._all
        self._all.update(new)
        live = {row.id: row.namespace for row in experiments.live(tx, target)}
        ordered = outbox.ordered(tx) | groups.waiting(tx)
        deleted = experiments.deleted_ids(tx, target) if first else frozenset()
        ended = objects.ended(tx, target)
        self._open = frozenset(live) | ordered | deleted | ended.keys()
        return ended | {name: namespace for name, namespace in live.items() if name not in ordered}

    def __contains__(self, experiment_id: object) -> bool:
        return experiment_id in self._all and experiment_id not in self._open

    def __iter__(self) -> Iterator[str]:
        return iter(self._all - self._open)

    def __len__(self) -> int:
        return len(self._all - self._open)
