"""Make the database and the targets agree: at start, every few minutes, and on doubt.

row                  on the target     what is done
live                 absent, twice     Accepted: given to the target again; else Failed (ExternallyDeleted)
live                 newer             the row is behind: it takes over spec, generation and attempt
live                 buried            the row is behind: it is deleted
live, to be stopped  ended             Stopped, also where the end is that of an older attempt; else stopped again
live                 present           the target's observation is applied
deleted              not deleted       deleted again
none                 present           the row is written again: the database was lost
deleted long ago     present           its files are removed
ended                absent, twice     what was made for it is forgotten

Each experiment is a transaction of its own kind: one that cannot be reconciled is set aside, and the others go on.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Collection, Iterator, Mapping

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from submarine_jupyter.errors import StorageFull, SubmarineError, TargetUnavailable, Unavailable
from submarine_jupyter.models import Status
from submarine_jupyter_server import lifecycle
from submarine_jupyter_server.failpoints import reach
from submarine_jupyter_server.outbox import now_ms
from submarine_jupyter_server.requests import stored
from submarine_jupyter_server.store import changes, events, experiments, idempotency, objects, outbox, replicas
from submarine_jupyter_server.store.clock import SteadyClock
from submarine_jupyter_server.store.database import Database
from submarine_jupyter_server.store.experiments import ExperimentRow, NewExperiment
from submarine_jupyter_server.targets.base import ComputeTarget, Found, Inventory

log = logging.getLogger(__name__)
DAY_MS = 86_400_000
# How long events can be resumed from and keys of requests are known.
KEPT_DAYS = 30
BATCH = 50
# What was absent once may have been hidden by an outage of a moment.
ABSENT_AGAIN_S = 5.0
INVENTORY_S = 120.0


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
            restored += await self._db.write(lambda tx, batch=batch: self._compare(tx, target.name, batch))  # type: ignore[misc]
        gone = self._gone(settled, inventory)
        if gone:
            await self._db.write(lambda tx: _end(tx, target.name, gone))
        if complete and not inventory.unknown:
            await self._db.write(lambda tx: experiments.note_compared(tx, target.name))
        return restored

    def _compare(self, tx: Connection, target: str, batch: tuple[Found, ...]) -> int:
        restored = 0
        for item in batch:
            try:
                with tx.begin_nested():
                    restored += compare(tx, target, item)
            except (StorageFull, Unavailable, OperationalError):
                raise
            except Exception as error:
                self.aside[item.experiment_id] = f"{type(error).__name__}: {error}"[:500]
                log.exception("%s is set aside", item.experiment_id)
        return restored

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

        They have no order under way: they are live, or something was made for them before they ended.
        """
        self._last, new = experiments.ids_after(tx, target, self._last)
        first = not self._all
        self._all.update(new)
        live = {row.id: row.namespace for row in experiments.live(tx, target)}
        ordered = outbox.ordered(tx)
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


def compare(tx: Connection, target: str, item: Found) -> int:
    """Bring the row of one experiment into line with what was found of it; return how many rows were written again."""
    row = experiments.find(tx, item.experiment_id, include_deleted=True)
    if row is None:
        return _restore(tx, target, item)
    if row.target != target:
        return 0
    if row.deleted is not None:
        # Who waits for an order that is under way waits for that one.
        if not item.deleted and outbox.pending(tx, row.id) is None:
            outbox.put(tx, row, "delete")
        return 0
    if item.launch is not None and item.launch.uid != row.uid:
        return 0
    if item.buried:
        _bury(tx, row)
        return 0
    if item.authentic and item.launch is not None and not Status(row.status).final:
        row = _catch_up(tx, row, item)
    if item.observation is not None:
        lifecycle.apply(tx, item.observation)
        _stop(tx, row, item)
    return 0


def _bury(tx: Connection, row: ExperimentRow) -> None:
    """Delete an experiment whose deletion the database does not know any more."""
    deleted = experiments.mark_deleted(tx, row.id, now_ms()) or row
    outbox.put(tx, deleted, "delete")
    lifecycle.tell_deleted(tx, deleted)


def _catch_up(tx: Connection, row: ExperimentRow, item: Found) -> ExperimentRow:
    """Take over what was ordered later than the database knows."""
    launch = item.launch
    if launch is None or (launch.attempt, launch.generation) <= (row.attempt, row.generation):
        return row
    if launch.attempt < row.attempt or launch.generation <= row.generation:
        return row
    texts = stored(launch.spec, row.id)
    row = changes.take_over(tx, row, texts, generation=launch.generation, attempt=launch.attempt)
    if item.made is not None:
        objects.put(tx, item.made)
    lifecycle.record(tx, row, "changed")
    log.warning("%s is at generation %d on target %s: its row was behind", row.id, row.generation, row.target)
    return row


def _stop(tx: Connection, row: ExperimentRow, item: Found) -> None:
    """See to it that what is to be stopped ends."""
    seen, now = item.observation, experiments.find(tx, row.id)
    if seen is None or now is None or now.stop_requested is None or Status(now.status).final:
        return
    if not (seen.status.final and seen.attempt < now.attempt):
        under_way = outbox.pending(tx, row.id)
        if under_way is None or under_way.op == "ensure":
            outbox.put(tx, now, "stop")
        return
    moved = experiments.advance(
        tx, now.id, uid=now.uid, attempt=now.attempt, status=Status.FAILED, at_ms=now_ms(),
        reason="Stopped", message="it was stopped before its new attempt began",
    )  # fmt: skip
    if moved is not None:
        lifecycle.record(tx, moved, "status")


def _end(tx: Connection, target: str, gone: list[str]) -> None:
    """Give those that are gone to the target again if they never began, or end them."""
    for experiment_id in gone:
        if outbox.pending(tx, experiment_id) is not None:
            continue
        row = experiments.find(tx, experiment_id)
        objects.erase(tx, experiment_id)
        if row is None or Status(row.status).final:
            continue
        if row.status == Status.ACCEPTED and row.stop_requested is None:
            outbox.put(tx, row, "ensure")
            continue
        reason, message = "ExternallyDeleted", f"it is gone from target '{target}', and it was not us who deleted it"
        if row.stop_requested is not None:
            reason, message = "Stopped", "it was stopped"
        elif (last := events.of(tx, row.id, limit=1)) and last[0].type == "refused":
            # What ran had been ended for the change that was then refused.
            reason, message = last[0].reason or reason, last[0].message or message
        moved = experiments.advance(
            tx, row.id, uid=row.uid, attempt=row.attempt, status=Status.FAILED, at_ms=now_ms(),
            reason=reason, message=message,
        )  # fmt: skip
        if moved is not None:
            replicas.end(tx, row.id, row.attempt, reason)
            lifecycle.record(tx, moved, "status")


def _restore(tx: Connection, target: str, item: Found) -> int:
    """Write the row of an experiment again, if it is not deleted and its record can be read."""
    launch, observation = item.launch, item.observation
    if item.deleted or launch is None or observation is None:
        return 0
    texts = stored(launch.spec, launch.experiment_id)
    row = experiments.restore(
        tx,
        NewExperiment(
            id=launch.experiment_id,
            uid=launch.uid,
            owner=launch.owner,
            target=target,
            namespace=texts.namespace,
            name=launch.name,
            framework=texts.framework,
            tags=texts.tags,
            spec=texts.spec,
            wire_spec=texts.wire_spec,
            list_spec=texts.list_spec,
            accepted=launch.accepted_ms,
        ),
        generation=launch.generation,
        attempt=launch.attempt,
    )
    if counter := re.fullmatch(r"experiment-\d+-(\d+)", row.id):
        experiments.raise_counter(tx, int(counter[1]))
    if item.made is not None:
        objects.put(tx, item.made)
    lifecycle.record(tx, row, "restored")
    lifecycle.apply(tx, observation)
    if not observation.status.final:
        outbox.put(tx, row, "ensure")
    log.warning("%s was written again from target %s", row.id, target)
    return 1
