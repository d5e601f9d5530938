"""Carry out what was decided: the outbox between the database and the targets.

A decision and its outbox row are one transaction; the row goes only after the target has done it. A crash in between
means that the same order is given again, which every target takes without doubling anything. One order per experiment
is under way at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import json
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping

from sqlalchemy import Connection

from submarine_jupyter.errors import Conflict, InvalidSpec, SubmarineError, TargetRefused, TargetUnavailable
from submarine_jupyter.models import ExperimentSpec, Status
from submarine_jupyter_server import lifecycle
from submarine_jupyter_server.failpoints import reach
from submarine_jupyter_server.store import experiments, outbox
from submarine_jupyter_server.store.database import Database
from submarine_jupyter_server.store.experiments import ExperimentRow
from submarine_jupyter_server.store.outbox import OutboxRow
from submarine_jupyter_server.targets.base import ComputeTarget, Launch

log = logging.getLogger(__name__)
FOREIGN_POLL_S = 0.25
MAX_BACKOFF_S = 30.0
# Whoever waits gets the answer first: the thread that writes would compete with it for the interpreter.
_AFTER_YOU_S = 0.005


def now_ms() -> int:
    """Return Unix time in milliseconds."""
    return time.time_ns() // 1_000_000


def launch_of(row: ExperimentRow) -> Launch:
    """Return what a target needs to make this row real."""
    return Launch(
        experiment_id=row.id,
        uid=row.uid,
        owner=row.owner,
        name=row.name,
        spec=ExperimentSpec.parse(json.loads(row.spec)),
        attempt=row.attempt,
        generation=row.generation,
        accepted_ms=row.accepted or 0,
    )


class Outbox:
    """Delivers orders while this server is the controller; ``gone`` is awaited after each deletion."""

    def __init__(
        self,
        db: Database,
        targets: Mapping[str, ComputeTarget],
        gone: Callable[[ExperimentRow], Awaitable[None]],
    ) -> None:
        self._db = db
        self._targets = targets
        self._gone = gone
        self._wake = asyncio.Event()
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._ended: set[str] = set()
        # What an order begins outlives the request that gave it, and must not keep that in memory.
        self._context = contextvars.Context()
        self.delivering = False

    def wake(self) -> None:
        """Look for orders now."""
        self._wake.set()

    async def settle(
        self, experiment_id: str, seconds: float, known: tuple[OutboxRow, ExperimentRow] | None = None
    ) -> None:
        """Wait until the target has taken the orders for an experiment, for some seconds at most.

        ``known`` is the order, if it has just been put into the database: it need not be read again.
        Raises TargetRefused or InvalidSpec when the target says no meanwhile. Returns at once on a server that is not
        the controller: the other one delivers.
        """
        if not self.delivering:
            return
        future = self._waiting.setdefault(experiment_id, asyncio.get_running_loop().create_future())
        if known is None:
            self.wake()
        else:
            self._begin(*known)
        try:
            async with asyncio.timeout(seconds):
                await asyncio.shield(future)
        except TimeoutError:
            pass
        finally:
            self._waiting.pop(experiment_id, None)

    async def run(self) -> None:
        """Deliver until cancelled."""
        self.delivering = True
        try:
            while True:
                await self._deliver_due()
                # Not wait_for: in Python 3.11 that loses a cancellation which comes together with the event.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(FOREIGN_POLL_S):
                        await self._wake.wait()
                self._wake.clear()
        finally:
            self.delivering = False
            for task in self._under_way.values():
                task.cancel()
            await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    async def _deliver_due(self) -> None:
        under_way = set(self._under_way)
        self._ended.clear()
        try:
            due = await self._db.read(lambda tx: _due(tx, under_way))
        except SubmarineError as error:
            log.warning("The outbox cannot be read: %s", error)
            return
        for order, row in due:
            # What has ended meanwhile may have been this order; whoever ended has us look again.
            if order.experiment_id not in self._ended:
                self._begin(order, row)

    def _begin(self, order: OutboxRow, row: ExperimentRow | None) -> None:
        if order.experiment_id not in self._under_way:
            name = f"{order.op} {order.experiment_id}"
            task = asyncio.create_task(self._deliver(order, row), name=name, context=self._context)
            self._under_way[order.experiment_id] = task

    async def _deliver(self, order: OutboxRow, row: ExperimentRow | None) -> None:
        refused: SubmarineError | None = None
        try:
            if row is not None:
                await self._give(order, row)
            # Nobody waits for the disk once more: should the order be given again, that is harmless.
            self._answer(order, None)
            await asyncio.sleep(_AFTER_YOU_S)
            reach("outbox_done_before")
            await self._db.write(lambda tx: outbox.done(tx, order.seq))
            reach("outbox_done_after")
        except (TargetRefused, InvalidSpec, Conflict) as error:
            refused = error
            await self._refused(order, error)
        except TargetUnavailable as error:
            await self._again(order, str(error), error.reason)
            return
        except Exception as error:
            log.exception("%s of %s failed; it will be tried again", order.op, order.experiment_id)
            await self._again(order, f"{type(error).__name__}: {error}", "InternalError")
            return
        finally:
            self._under_way.pop(order.experiment_id, None)
            self._ended.add(order.experiment_id)
        self._wake.set()
        if refused is not None:
            self._answer(order, refused)

    def _answer(self, order: OutboxRow, refused: SubmarineError | None) -> None:
        future = self._waiting.get(order.experiment_id)
        if future is not None and not future.done():
            if refused is None:
                future.set_result(None)
            else:
                future.set_exception(refused)

    async def _give(self, order: OutboxRow, row: ExperimentRow) -> None:
        target = self._targets.get(row.target)
        if target is None:
            raise TargetUnavailable(
                f"target '{row.target}' is not configured on this server, or could not start: the notices of ping tell"
            )
        if order.op == "delete":
            reach("delete_target")
            await target.delete(row.id, row.uid)
            await self._gone(row)
        elif row.deleted is None and order.op == "stop":
            reach("stop_target")
            await target.stop(launch_of(row))
        elif row.deleted is None and not Status(row.status).final:
            reach("submit_before")
            await target.ensure(launch_of(row))
            reach("submit_after")

    async def _refused(self, order: OutboxRow, error: SubmarineError) -> None:
        """Forget a new experiment while its POST still waits for the answer; otherwise keep it and say why.

        What runs already goes on when only a change of it was refused.
        """
        forget = order.generation == 1 and order.experiment_id in self._waiting

        def drop(tx: Connection) -> None:
            if forget:
                experiments.forget(tx, order.experiment_id)
                return
            outbox.done(tx, order.seq)
            row = experiments.find(tx, order.experiment_id)
            if row is not None and not Status(row.status).final:
                status = Status.FAILED if row.status == Status.ACCEPTED else Status(row.status)
                moved = experiments.advance(
                    tx, row.id, uid=row.uid, attempt=row.attempt, status=status, at_ms=now_ms(),
                    reason=getattr(error, "reason", "Refused"), message=str(error),
                )  # fmt: skip
                if moved is not None:
                    lifecycle.record(tx, moved, "status")

        await self._db.write(drop)

    async def _again(self, order: OutboxRow, error: str, reason: str) -> None:
        """Put the order off, and let the user see why nothing happens."""
        pause = min(MAX_BACKOFF_S, 0.2 * 2**order.attempts) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
        at = now_ms() + int(pause * 1000)

        def put_off(tx: Connection) -> None:
            row = experiments.find(tx, order.experiment_id)
            if not outbox.retry(tx, order.seq, at, error[:1000]) or row is None:
                return
            moved = experiments.advance(
                tx, row.id, uid=row.uid, attempt=row.attempt, status=row.status, at_ms=now_ms(),
                reason=reason, message=error[:1000],
            )  # fmt: skip
            if moved is not None:
                lifecycle.record(tx, moved, "reason")

        try:
            await self._db.write(put_off)
        except SubmarineError as trouble:
            log.warning("%s of %s: %s", order.op, order.experiment_id, trouble)


def _due(tx: Connection, under_way: set[str]) -> list[tuple[OutboxRow, ExperimentRow | None]]:
    """Return the orders that are due, each with its experiment, but for experiments that have one under way."""
    return [
        (order, experiments.find(tx, order.experiment_id, include_deleted=True))
        for order in outbox.due(tx, now_ms(), 100)
        if order.experiment_id not in under_way
    ]
