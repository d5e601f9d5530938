"""The feed of events: one reader of the event table serves every listener.

Events are rows first. After each commit of ours, and of other servers on the same data directory, the new rows are read
once into a bounded ring; each listener keeps only the number of the last event it has sent, so a slow one costs nothing
and a returning one resumes where it was.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from submarine_jupyter.models import Status
from submarine_jupyter_server.config import nobody
from submarine_jupyter_server.feed.after_commits import AfterCommits
from submarine_jupyter_server.process.clock import now_ms
from submarine_jupyter_server.process.notices import Failing
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.engine.database import Database
from submarine_jupyter_server.store.reported import events
from submarine_jupyter_server.store.reported.events import EventRow
from submarine_jupyter_server.wire.answers.detail import event_data
from submarine_jupyter_server.wire.encoding import json_text

log = logging.getLogger(__name__)
HEARTBEAT_S = 15.0
BATCH = 500


@dataclass(frozen=True, slots=True)
class FeedMessage:
    """One server-sent event; ``data`` is JSON text."""

    id: str
    event: str
    data: str


class EventFeed:
    """All state changes in order."""

    def __init__(self, db: Database, emit: Callable[[dict[str, object]], None] = nobody) -> None:
        self._db = db
        self._emit = emit
        self._ring: deque[EventRow] = deque(maxlen=10_000)
        self._last = 0
        self._arrived = asyncio.Condition()
        self._reading = AfterCommits(
            "submarine events", self._read, Failing(db.notices, "events", "Reading the events")
        )

    async def start(self) -> None:
        """Begin to read what is committed from now on."""
        self._last = await self._db.read(events.last_seq)
        self._reading.start()

    async def close(self) -> None:
        """End the reader and every listener."""
        await self._reading.close()

    def committed(self) -> None:
        """Record that a transaction was committed; to be called on the event loop."""
        self._reading.committed()

    @property
    def last(self) -> int:
        """The number of the newest event that was read."""
        return self._last

    async def stream(
        self, after: int | None, experiment_id: str | None = None, owner: str | None = None
    ) -> AsyncIterator[FeedMessage | None]:
        """Yield the events after number ``after`` (None: from now on), and None when a heartbeat is due.

        They are those of one experiment, of one ``owner``, or all.

        For one experiment the stream begins with its whole history when ``after`` is None, as far as it is kept, and
        closes with ``end`` once nothing can follow, at once where it has ended already.
        """
        position = (0 if experiment_id else self._last) if after is None else after
        spoke_at = time.monotonic()
        idle = True
        while True:
            read_to = self._last
            rows = await self._after(position, experiment_id, owner)
            for row in rows:
                yield FeedMessage(str(row.seq), row.type, json_text(event_data(row)))
                if experiment_id and row.status and Status(row.status).final:
                    yield FeedMessage(str(row.seq), "end", json_text({"status": row.status}))
                    return
            position = rows[-1].seq if rows else max(position, read_to)
            if not rows:
                if idle and experiment_id and (last := await self._over(experiment_id, position)):
                    if after is None:
                        yield FeedMessage(str(position), last.type, json_text(event_data(last)))
                    yield FeedMessage(str(position), "end", json_text({"status": last.status}))
                    return
                idle = not await self._beyond(position, HEARTBEAT_S - (time.monotonic() - spoke_at))
                if idle:
                    yield None
            if rows or time.monotonic() - spoke_at >= HEARTBEAT_S:
                spoke_at = time.monotonic()

    async def _after(self, position: int, experiment_id: str | None, owner: str | None) -> list[EventRow]:
        if self._ring and self._ring[0].seq <= position + 1:
            found = (e for e in self._ring if e.seq > position and experiment_id in (None, e.experiment_id))
            return [e for e in found if owner in (None, e.owner)]
        if position < self._last:
            return await self._db.read(lambda tx: events.after(tx, position, BATCH, experiment_id, owner))
        return []

    async def _over(self, experiment_id: str, position: int) -> EventRow | None:
        return await self._db.read(lambda tx: _end_of(tx, experiment_id, position))

    async def _beyond(self, position: int, seconds: float) -> bool:
        """Wait until there is an event after ``position``; False when ``seconds`` went by without one."""
        try:
            async with asyncio.timeout(max(seconds, 0.0)), self._arrived:
                await self._arrived.wait_for(lambda: self._last > position)
        except TimeoutError:
            return False
        return True

    async def _read(self) -> None:
        if rows := await self._db.read(lambda tx: events.after(tx, self._last, BATCH)):
            await self._publish(rows)

    async def _publish(self, rows: list[EventRow]) -> None:
        self._ring.extend(rows)
        if len(rows) == BATCH:
            self._reading.committed()
        async with self._arrived:
            self._last = rows[-1].seq
            self._arrived.notify_all()
        for row in rows:
            try:
                self._emit(event_data(row))
            except Exception:
                log.exception("Jupyter's event system does not take event %d", row.seq)


def _end_of(tx: Connection, experiment_id: str, position: int) -> EventRow | None:
    """Return how an experiment ended if nothing can follow event ``position``, None while something can."""
    row = experiments.find(tx, experiment_id, include_deleted=True)
    if row is not None and row.deleted is None and not Status(row.status).final:
        return None
    if events.after(tx, position, 1, experiment_id):
        return None
    if row is None:
        return EventRow(position, experiment_id, now_ms(), "deleted", Status.DELETED, None, None, None)
    if row.deleted is not None:
        return EventRow(position, row.id, row.deleted, "deleted", Status.DELETED, row.reason, row.message, None)
    return EventRow(position, row.id, row.finished or row.accepted, "status", row.status, row.reason, row.message, None)
