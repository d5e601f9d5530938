"""What the one server does that gives the orders: start the targets, deliver, compare and back up.

Each of these goes on by itself. One that fails is tried again, after 60 s at the latest, and is a notice meanwhile: it
stops none of the others.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from sqlalchemy import Connection

from submarine_jupyter.models import Status
from submarine_jupyter_server.control.delivery import Outbox, launch_of
from submarine_jupyter_server.control.reconcile import ABSENT_AGAIN_S, Reconcile
from submarine_jupyter_server.process.notices import RETRY_S, Failing, Notices
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.engine.database import Database
from submarine_jupyter_server.store.orders import outbox
from submarine_jupyter_server.store.reported import objects
from submarine_jupyter_server.targets.protocol import ComputeTarget, Known, Sink

log = logging.getLogger(__name__)
# What has gone on for so long after a failure works again.
STEADY_S = 10.0
# How long the first orders wait for a target that starts or is compared slowly.
PATIENCE_S = 8.0
FIRST_BACKUP_S = 900.0
BACKUP_S = 3600.0
BACKUP_RETRY_S = 600.0


class Leader:
    """Works while this server is the controller.

    ``started`` is filled with the targets that have started: only these get orders and are compared. ``doubt`` is set
    when rows and targets may differ.
    """

    def __init__(
        self,
        db: Database,
        targets: Mapping[str, ComputeTarget],
        started: dict[str, ComputeTarget],
        outbox_: Outbox,
        reconcile: Reconcile,
        notices: Notices,
        doubt: asyncio.Event,
        seconds: float,
    ) -> None:
        self._db = db
        self._targets = targets
        self._started = started
        self._outbox = outbox_
        self._reconcile = reconcile
        self._notices = notices
        self._seconds = seconds
        self._doubt = doubt
        self._compared = asyncio.Event()

    async def lead(self, sink: Sink, resume: Callable[[], Awaitable[None]], ready: Callable[[], None]) -> None:
        """Work until cancelled.

        Observations go to ``sink``; ``resume`` is awaited once rows and targets agree, then ``ready`` is called.
        """
        self._compared.clear()
        async with asyncio.TaskGroup() as group:
            starts = [group.create_task(self._start(target, sink)) for target in self._targets.values()]
            if starts:
                await asyncio.wait(starts, timeout=PATIENCE_S)
            group.create_task(self._compare(), name="submarine reconcile")
            await _within(PATIENCE_S, self._compared.wait())
            resumed = group.create_task(self._persist("resume", "Watching the targets", resume))
            await asyncio.wait([resumed], timeout=PATIENCE_S)
            group.create_task(self._persist("outbox", "Delivering orders", self._outbox.run))
            await asyncio.sleep(0)
            ready()
            group.create_task(self._back_up(), name="submarine backup")

    async def _start(self, target: ComputeTarget, sink: Sink) -> None:
        async def start() -> None:
            made = await self._db.read(lambda tx: objects.all_of(tx, target.name))
            await target.start(sink, self._doubt.set, made, self._recall)

        await self._persist(f"start {target.name}", f"Starting target '{target.name}'", start)
        self._started[target.name] = target
        if self._compared.is_set():
            self._doubt.set()

    async def _recall(self, experiment_id: str) -> Known | None:
        return await self._db.read(lambda tx: _known(tx, experiment_id))

    async def _compare(self) -> None:
        """Compare rows and targets, again after the usual time or when a target says that they may differ."""
        while True:
            await self._persist("reconcile", "Comparing the database with the targets", self._compare_once)
            self._compared.set()
            pause = min(self._seconds, ABSENT_AGAIN_S) if self._reconcile.again else self._seconds
            await _within(pause, self._doubt.wait())

    async def _compare_once(self) -> None:
        doubted = self._doubt.is_set()
        self._doubt.clear()
        try:
            if doubted:
                await self._db.write(outbox.hasten)
            if restored := await self._reconcile.run():
                self._notices.put("restored", f"{restored} lost experiments were restored from what the targets have.")
            self._set_aside(self._reconcile.aside)
        except BaseException:
            if doubted:
                self._doubt.set()
            raise
        self._outbox.wake()

    def _set_aside(self, aside: Mapping[str, str]) -> None:
        if not aside:
            self._notices.drop("aside")
            return
        some = "; ".join(f"{name} ({why})" for name, why in list(aside.items())[:3])
        more = f" and {len(aside) - 3} more" if len(aside) > 3 else ""
        self._notices.put(
            "aside", f"Experiments that cannot be compared with the targets were set aside: {some}{more}."
        )

    async def _back_up(self) -> None:
        pause = FIRST_BACKUP_S
        while True:
            await asyncio.sleep(pause)
            await self._persist("backup", "Backing up the database", self._db.backup, BACKUP_RETRY_S)
            pause = BACKUP_S

    async def _persist(
        self, key: str, what: str, work: Callable[[], Awaitable[object]], retry_s: float = RETRY_S
    ) -> None:
        """Do ``work`` until it succeeds, with a notice under ``key`` as long as it does not."""
        failing = Failing(self._notices, key, what, retry_s)
        while True:
            steady = asyncio.get_running_loop().call_later(STEADY_S, failing.over)
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - it is logged, and shown as a notice
                pause = failing.again(error)
            else:
                failing.over()
                return
            finally:
                steady.cancel()
            await asyncio.sleep(pause)


def _known(tx: Connection, experiment_id: str) -> Known | None:
    row = experiments.find(tx, experiment_id, include_deleted=True)
    if row is None or row.spec == "{}":
        return None  # it was purged
    live = row.deleted is None and not Status(row.status).final
    order = outbox.pending(tx, experiment_id)
    stopping = order is not None and order.op == "stop"
    return Known(launch_of(row), live, stopping, objects.of(tx, experiment_id))


async def _within(seconds: float, waiting: Awaitable[object]) -> None:
    """Await something for some seconds at most."""
    # Not wait_for: in Python 3.11 that loses a cancellation which comes together with the event.
    try:
        async with asyncio.timeout(seconds):
            await waiting
    except TimeoutError:
        pass
