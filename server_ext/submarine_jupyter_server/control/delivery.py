"""Carry out what was decided: the outbox between the database and the targets.

A decision and its outbox row are one transaction; the row goes only after the target has done it. A crash in between
means that the same order is given again, which every target takes without doubling anything. One order per experiment
is under way at a time. Whoever waits, waits for one order: what becomes of another one is no answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import json
import logging
from collections.abc import Awaitable, Callable, Mapping

from sqlalchemy import Connection

from submarine_jupyter.backoff import pause_s
from submarine_jupyter.errors import Conflict, InvalidSpec, SubmarineError, TargetRefused, TargetUnavailable
from submarine_jupyter.models import ExperimentSpec, Status
from submarine_jupyter_server.control import groups, order_progress, refusals
from submarine_jupyter_server.control.refusals import Outcome, Refusal
from submarine_jupyter_server.control.waiters import Waiters
from submarine_jupyter_server.process.clock import now_ms
from submarine_jupyter_server.process.failpoints import reach
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.engine.database import Database
from submarine_jupyter_server.store.experiments import ExperimentRow
from submarine_jupyter_server.store.orders import outbox
from submarine_jupyter_server.store.orders.outbox import OutboxRow
from submarine_jupyter_server.targets.protocol import ComputeTarget, Launch, Made

log = logging.getLogger(__name__)
INLINE_S = 2.0  # how long whoever gives an order waits for the decision on it
RETRY_S = 1.0
MAX_BACKOFF_S = 60.0
SILENCE_S = 10.0  # after which it is said that a target has not answered
FIRST_PAUSE_S = 0.2
# Whoever waits gets the answer first: the thread that writes would compete with it for the interpreter.
_AFTER_YOU_S = 0.005


def launch_of(row: ExperimentRow, spec: ExperimentSpec | None = None) -> Launch:
    """Return what a target needs to make this row real; ``spec`` is its spec where that has been parsed already."""
    return Launch(
        experiment_id=row.id,
        uid=row.uid,
        owner=row.owner,
        name=row.name,
        spec=spec or ExperimentSpec.parse(json.loads(row.spec)),
        attempt=row.attempt,
        generation=row.generation,
        accepted_ms=row.accepted or 0,
    )


class Outbox:
    """Delivers orders while this server is the controller.

    ``gone`` is awaited after each deletion, ``doubt`` called when a target has to be compared with its rows.
    """

    def __init__(
        self,
        db: Database,
        targets: Mapping[str, ComputeTarget],
        gone: Callable[[ExperimentRow], Awaitable[None]],
        doubt: Callable[[], None],
    ) -> None:
        self._db = db
        self._targets = targets
        self._gone = gone
        self._doubt = doubt
        self._wake = asyncio.Event()
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._waiters = Waiters()
        self._ended: set[str] = set()
        self._refusing: dict[str, int] = {}
        self._notes: set[asyncio.Task[None]] = set()
        # What an order begins outlives the request that gave it, and must not keep that in memory.
        self._context = contextvars.Context()
        self.delivering = False

    def wake(self) -> None:
        """Fetch the orders now."""
        self._wake.set()

    async def settle(self, order: OutboxRow, row: ExperimentRow, launch: Launch | None = None) -> bool:
        """Wait until the target has decided on ``order``, stored for the experiment ``row``; return whether it has.

        ``launch`` is that of the row, where it has been made already. Waits ``INLINE_S`` at most. Raises TargetRefused,
        InvalidSpec or Conflict when the target says no meanwhile. Returns at once on a server that is not the
        controller: the other one delivers.
        """
        if not self.delivering:
            return False
        # Who waits joins before the order begins, which may be decided at once.
        future = self._waiters.join(order)
        self._begin(order, row, launch)
        try:
            while not future.done():
                # It leaves the future as it is: a decision that comes together with the end of the wait still counts.
                await asyncio.wait({future}, timeout=INLINE_S)
                # While a refusal is being stored, it counts for that that somebody waits.
                if not future.done() and self._refusing.get(order.experiment_id, -1) < order.seq:
                    return False
            future.result()
            return True
        finally:
            self._waiters.leave(order, future)

    async def run(self) -> None:
        """Deliver until cancelled."""
        self.delivering = True
        try:
            while True:
                pause = await self._deliver_due()
                # Not wait_for: in Python 3.11 that loses a cancellation which comes together with the event.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._wake.wait()
                self._wake.clear()
        finally:
            self.delivering = False
            for task in self._under_way.values():
                task.cancel()
            await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    async def _deliver_due(self) -> float | None:
        """Begin what is due; return after how many seconds something else is, None when nothing is."""
        under_way = set(self._under_way)
        self._ended.clear()
        try:
            while (found := await self._db.read(lambda tx: _due(tx, under_way))) is None:
                await self._db.write(groups.let_go)
        except SubmarineError as error:
            log.warning("The outbox cannot be read: %s", error)
            return RETRY_S
        due, pause = found
        for order, row in due:
            # What has ended meanwhile may have been this order; whoever ended has us fetch again.
            if order.experiment_id not in self._ended:
                self._begin(order, row)
        return pause

    def _begin(self, order: OutboxRow, row: ExperimentRow | None, launch: Launch | None = None) -> None:
        if order.experiment_id not in self._under_way:
            name = f"{order.op} {order.experiment_id}"
            task = asyncio.create_task(self._deliver(order, row, launch), name=name, context=self._context)
            self._under_way[order.experiment_id] = task

    async def _deliver(self, order: OutboxRow, row: ExperimentRow | None, launch: Launch | None) -> None:
        try:
            made = None if row is None else await self._give_in_time(order, row, launch)
            # Nobody waits for the disk once more: should the order be given again, that is harmless.
            self._waiters.answer(order)
            await asyncio.sleep(_AFTER_YOU_S)
            reach("outbox_done_before")
            await self._db.write(lambda tx: order_progress.carried_out(tx, order, row, made))
            reach("outbox_done_after")
            self._waiters.answer(order)  # those who have come since
        except (TargetRefused, InvalidSpec, Conflict) as error:
            await self._refused(order, error)
        except TargetUnavailable as error:
            await self._again(order, str(error), error.reason, after_s=error.retry_after or 0)
        except Exception as error:
            log.exception("%s of %s failed; it will be tried again", order.op, order.experiment_id)
            await self._again(order, f"{type(error).__name__}: {error}", "InternalError")
        finally:
            self._under_way.pop(order.experiment_id, None)
            self._ended.add(order.experiment_id)
            # Another order may have taken the place of this one meanwhile.
            self._wake.set()

    async def _give_in_time(self, order: OutboxRow, row: ExperimentRow, launch: Launch | None) -> Made | None:
        """Give an order, however long it takes, and return what was made; that it takes long is said."""

        def say() -> None:
            note = asyncio.create_task(self._say_silence(order))
            self._notes.add(note)
            note.add_done_callback(self._notes.discard)

        timer = asyncio.get_running_loop().call_later(SILENCE_S, say)
        try:
            return await self._give(order, row, launch)
        finally:
            timer.cancel()

    async def _say_silence(self, order: OutboxRow) -> None:
        text = f"the target has not answered for {SILENCE_S:g} s; the server keeps waiting"
        try:
            await self._db.write(lambda tx: order_progress.show(tx, order, text, "TargetSilent"))
        except SubmarineError as trouble:
            log.warning("%s of %s: %s", order.op, order.experiment_id, trouble)

    async def _give(self, order: OutboxRow, row: ExperimentRow, launch: Launch | None) -> Made | None:
        target = self._targets.get(row.target)
        if target is None:
            raise TargetUnavailable(
                f"target '{row.target}' is not configured on this server, or could not "
                "start: the notices of ping say which"
            )
        if order.op in ("delete", "purge"):
            reach("delete_target")
            if order.op == "purge":
                await target.purge(row.id, row.uid)
            else:
                await target.delete(row.id, row.uid)
            await self._gone(row)
        elif row.deleted is None and order.op == "stop":
            reach("stop_target")
            await target.stop(launch_of(row))
        elif row.deleted is None and not Status(row.status).final and not row.restored:
            reach("submit_before")
            made = await target.ensure(launch or launch_of(row))
            reach("submit_after")
            return made
        return None

    async def _refused(self, order: OutboxRow, error: Refusal) -> None:
        waited = self._waiters.wait_for(order)
        self._refusing[order.experiment_id] = order.seq
        try:
            outcome = await self._db.write(lambda tx: refusals.apply(tx, order, error, now=now_ms(), waited=waited))
        except SubmarineError as trouble:
            log.warning("%s of %s: %s", order.op, order.experiment_id, trouble)
            outcome = Outcome.AGAIN
        finally:
            del self._refusing[order.experiment_id]
        if outcome in (Outcome.AGAIN, Outcome.BROUGHT_BACK):
            word = {"stop": "StopRefused", "ensure": refusals.reason_of(error)}.get(order.op, "DeleteRefused")
            await self._again(order, str(error), word)
        if outcome is Outcome.FAILED:
            self._waiters.answer(order, refusals.named(error, order.experiment_id), all_before=True)
        elif outcome is Outcome.BROUGHT_BACK:
            self._waiters.answer(order, refusals.going_on(error))
        elif outcome is Outcome.TAKEN_BACK:
            self._waiters.answer(order, error)
        else:
            self._waiters.answer(order)
        if outcome is Outcome.TAKEN_BACK:
            self._doubt()

    async def _again(self, order: OutboxRow, error: str, reason: str, *, after_s: float = 0) -> None:
        """Put the order off, by ``after_s`` seconds at least, and let the user see why nothing happens."""
        pause = pause_s(order.attempts + 1, FIRST_PAUSE_S, MAX_BACKOFF_S, after_s)
        at = now_ms() + int(min(pause, MAX_BACKOFF_S) * 1000)
        try:
            await self._db.write(lambda tx: order_progress.put_off(tx, order, at, error[:1000], reason))
        except SubmarineError as trouble:
            log.warning("%s of %s: %s", order.op, order.experiment_id, trouble)


def _due(
    tx: Connection, under_way: set[str]
) -> tuple[list[tuple[OutboxRow, ExperimentRow | None]], float | None] | None:
    """Return the orders that are due, each with its experiment, and the seconds until the next one that is not yet.

    None when it is the turn of members of groups, whose orders have to be given first. Experiments that have an order
    under way are left out: its end has the orders fetched again.
    """
    if groups.is_due(tx):
        return None
    now = now_ms()
    due = [
        (order, experiments.find(tx, order.experiment_id, include_deleted=True))
        for order in outbox.due(tx, now, 100)
        if order.experiment_id not in under_way
    ]
    following = outbox.next_due(tx, now)
    return due, None if following is None else min((following - now) / 1000, MAX_BACKOFF_S)
