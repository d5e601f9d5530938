"""Make the database and the targets agree: at start, every few minutes, and on doubt.

row                  on the target     what is done
live                 absent            Accepted: given to the target again; else Failed (ExternallyDeleted)
live or ended        present           the target's observation is applied
deleted              not deleted       deleted again
none                 present           the row is written again: the database was lost
deleted long ago     present           its files are removed
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping

from sqlalchemy import Connection

from submarine_jupyter.errors import SubmarineError, TargetUnavailable
from submarine_jupyter.models import Status
from submarine_jupyter_server import lifecycle
from submarine_jupyter_server.failpoints import reach
from submarine_jupyter_server.outbox import now_ms
from submarine_jupyter_server.secrets import mask
from submarine_jupyter_server.store import events, experiments, idempotency, outbox
from submarine_jupyter_server.store.database import Database
from submarine_jupyter_server.store.experiments import NewExperiment
from submarine_jupyter_server.targets.base import ComputeTarget, Found, Inventory

log = logging.getLogger(__name__)
DAY_MS = 86_400_000
# How long events can be resumed from and keys of requests are known.
KEPT_DAYS = 30


class Reconcile:
    """Compares rows with what exists on the targets; what was deleted ``retention_days`` ago loses its files."""

    def __init__(self, db: Database, targets: Mapping[str, ComputeTarget], retention_days: float | None) -> None:
        self._db = db
        self._targets = targets
        self._retention_days = retention_days

    async def run(self) -> int:
        """Reconcile every target once; return how many rows were written again."""
        restored = 0
        for target in list(self._targets.values()):
            restored += await self._one(target)
            reach("reconcile")
        await self._purge()
        return restored

    async def _one(self, target: ComputeTarget) -> int:
        # Only what was settled before we looked can be missing: an order under way may be done a moment after.
        settled = await self._db.read(lambda tx: settled_ids(tx, target.name))
        try:
            found = await target.inventory()
        except SubmarineError as error:
            log.warning("Target %s cannot be looked at now: %s", target.name, error)
            return 0
        return await self._db.write(lambda tx: compare(tx, target.name, found, settled))

    async def _purge(self) -> None:
        await self._db.write(_forget_old)
        if self._retention_days is None:
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
            await self._db.write(lambda tx, id_=row.id: experiments.forget(tx, id_))  # type: ignore[misc]


def _forget_old(tx: Connection) -> None:
    before = now_ms() - KEPT_DAYS * DAY_MS
    events.purge(tx, before)
    idempotency.purge(tx, before)


def settled_ids(tx: Connection, target: str) -> set[str]:
    """Return the live experiments for which no order is under way."""
    return {row.id for row in experiments.live(tx, target) if not outbox.pending(tx, row.id)}


def compare(tx: Connection, target: str, inventory: Inventory, settled: set[str]) -> int:
    """Bring the rows of one target into line with what was found there; return how many were written again.

    Only the experiments in ``settled`` are taken for gone when they were not found, in namespaces that were looked at.
    """
    restored = 0
    for item in inventory.found:
        row = experiments.find(tx, item.experiment_id, include_deleted=True)
        if row is None:
            restored += _restore(tx, target, item)
        elif row.deleted is not None and not item.deleted:
            outbox.put(tx, row.id, "delete", row.generation)
        elif row.deleted is None and item.observation is not None:
            lifecycle.apply(tx, item.observation)
    present = {item.experiment_id for item in inventory.found}
    for row in experiments.live(tx, target):
        unseen = inventory.namespaces is not None and row.namespace not in inventory.namespaces
        if unseen or row.id in present or row.id not in settled:
            continue
        if row.status == Status.ACCEPTED:
            outbox.put(tx, row.id, "ensure", row.generation)
            continue
        gone = experiments.advance(
            tx, row.id, uid=row.uid, attempt=row.attempt, status=Status.FAILED, at_ms=now_ms(),
            reason="ExternallyDeleted", message=f"it is gone from target '{target}', and it was not us who deleted it",
        )  # fmt: skip
        if gone is not None:
            lifecycle.record(tx, gone, "status")
    return restored


def _restore(tx: Connection, target: str, item: Found) -> bool:
    """Write the row of an experiment again, if it is not deleted and its record can be read."""
    launch, observation = item.launch, item.observation
    if item.deleted or launch is None or observation is None:
        return False
    wire = launch.spec.wire()
    wire["meta"]["experimentId"] = launch.experiment_id
    row = experiments.restore(
        tx,
        NewExperiment(
            id=launch.experiment_id,
            uid=launch.uid,
            owner=launch.owner,
            target=target,
            namespace=launch.spec.meta.namespace or "",
            name=launch.name,
            framework=launch.spec.meta.framework,
            tags=tuple(launch.spec.meta.tags),
            spec=json.dumps(wire),
            wire_spec=json.dumps(mask(wire)),
            accepted=launch.accepted_ms,
        ),
        generation=launch.generation,
        attempt=launch.attempt,
    )
    if counter := re.fullmatch(r"experiment-\d+-(\d+)", row.id):
        experiments.raise_counter(tx, int(counter[1]))
    lifecycle.record(tx, row, "restored")
    lifecycle.apply(tx, observation)
    if not observation.status.final:
        outbox.put(tx, row.id, "ensure", row.generation)
    log.warning("%s was written again from target %s", row.id, target)
    return True
