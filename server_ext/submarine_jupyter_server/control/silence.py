"""Note on every experiment that waits for it that the server which gives the orders is silent."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime

from sqlalchemy import Connection

from submarine_jupyter.errors import SubmarineError
from submarine_jupyter_server.control.order_progress import put_off
from submarine_jupyter_server.process.clock import now_ms
from submarine_jupyter_server.store.engine.database import Database
from submarine_jupyter_server.store.orders import outbox
from submarine_jupyter_server.store.orders.outbox import OutboxRow

log = logging.getLogger(__name__)
REASON = "ControllerSilent"


class Silence:
    """Writes it down for each order once; the order is given as soon as that server, or another one, works again."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._task: asyncio.Task[None] | None = None

    def report(self, who: str, since: float) -> None:
        """Record that ``who`` gives the orders and was heard of last at ``since`` (Unix time)."""
        if self._task is None or self._task.done():
            why = f"waiting for {who}, which gives the orders and last reported at {_clock(since)}"
            self._task = asyncio.create_task(self._mark(why), name="submarine silence")

    def close(self) -> None:
        """Write no more."""
        if self._task is not None:
            self._task.cancel()

    async def _mark(self, why: str) -> None:
        try:
            if await self._db.read(_unmarked):
                await self._db.write(lambda tx: _mark(tx, why))
        except SubmarineError as error:
            log.warning("The orders that wait cannot be marked: %s", error)


def _mark(tx: Connection, why: str) -> None:
    for order in _unmarked(tx):
        put_off(tx, order, now_ms(), why, REASON)


def _unmarked(tx: Connection) -> list[OutboxRow]:
    return [order for order in outbox.due(tx, now_ms(), 1000) if order.last_reason != REASON]


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at).astimezone():%H:%M:%S}"
