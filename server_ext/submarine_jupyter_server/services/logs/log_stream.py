"""Join the lines of an experiment's logs with its states: one stream, in order, that always ends.

The place in the event table is taken in the transaction that reads the row, so no change falls between the two, and an
event that the row told already is passed over. Files are polled faster than events, above all those of another server:
the first line of an attempt waits for the state that allows it, ``AWAITED_S`` at most.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import aclosing, suppress
from typing import Any

from sqlalchemy import Connection

from submarine_jupyter.models import Status
from submarine_jupyter_server.feed.event_feed import EventFeed, FeedMessage
from submarine_jupyter_server.logs.following.attempt_reader import LogEvent
from submarine_jupyter_server.logs.following.follow import follow
from submarine_jupyter_server.logs.following.growth import Growth
from submarine_jupyter_server.logs.position import Position
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.engine.database import Database
from submarine_jupyter_server.store.experiments import ExperimentRow
from submarine_jupyter_server.store.reported import events
from submarine_jupyter_server.wire.encoding import json_text

AWAITED_S = 1.5
_POLL_S = 0.05
_BATCH = 500
_FIELDS = ("status", "reason", "message")

State = dict[str, str | None]


class States:
    """What a follower knows of an experiment's state: ``row`` as it was when ``seq`` was the newest event."""

    def __init__(self, db: Database, row: ExperimentRow, seq: int) -> None:
        self.experiment_id = row.id
        self.seq = seq
        self.last = _state(row)
        self._attempt = row.attempt
        self._db = db

    @property
    def final(self) -> bool:
        """Whether no other state can follow."""
        return _status(self.last).final

    def allows(self, attempt: int) -> bool:
        """Whether lines of ``attempt`` agree with the last state sent."""
        return self.final or (self._attempt >= attempt and _status(self.last) == Status.RUNNING)

    def take(self, message: FeedMessage) -> list[State]:
        """Return the state that an event of the feed reports, if it is new."""
        data = json.loads(message.data)
        if int(message.id) <= self.seq or data["status"] is None:
            return []
        self.seq = int(message.id)
        self.last = {field: data[field] for field in _FIELDS}
        return [self.last]

    async def refresh(self) -> list[State]:
        """Return the states since the last one sent, in order, as the database has them."""
        found, row = await self._db.read(self._read)
        states: list[State] = [_state(event) for event in found if event.status]
        now = _state(row) if row and row.deleted is None else {"status": Status.DELETED.value}
        # Old events are purged, the row says how it is all the same.
        if len(found) < _BATCH and (states[-1:] or [self.last])[-1]["status"] != now["status"]:
            states.append({field: now.get(field) for field in _FIELDS})
        self.seq = found[-1].seq if found else self.seq
        self.last = states[-1] if states else self.last
        self._attempt = row.attempt if row else self._attempt
        return states

    def _read(self, tx: Connection) -> tuple[list[events.EventRow], ExperimentRow | None]:
        found = events.after(tx, self.seq, _BATCH, self.experiment_id)
        return found, experiments.find(tx, self.experiment_id, include_deleted=True)


async def log_stream(
    states: States,
    feed: EventFeed,
    growth: Growth,
    *,
    replicas: Collection[str] | None = None,
    position: Position | None = None,
) -> AsyncGenerator[FeedMessage | None, None]:
    """Yield ``state`` {status, reason, message} and the events of ``logs.follow``, at last ``end`` {status, complete}.

    None is a heartbeat. The id of each message is the position in the logs.
    """
    place = str(position or "")
    yield FeedMessage(place, "state", json_text(states.last))
    logs = follow(growth, states.experiment_id, replicas=replicas, position=position, finished=lambda: states.final)
    waited_for = 0
    async with aclosing(merged(logs, feed.stream(states.seq, states.experiment_id))) as items:
        async for item in items:
            if isinstance(item, FeedMessage):
                # The feed ends for a row that is final, whether or not its last event is still there.
                for state in await states.refresh() if item.event == "end" else states.take(item):
                    yield FeedMessage(place, "state", json_text(state))
            elif item is None or item.event == "ping":
                yield None
            else:
                attempt = item.data.get("attempt")
                if isinstance(attempt, int) and attempt > waited_for and not states.allows(attempt):
                    async for state in _awaited(states, attempt):
                        yield FeedMessage(place, "state", json_text(state))
                    waited_for = attempt
                place = item.id
                yield _message(item, states)
                if item.event == "end":
                    return


def _message(item: LogEvent, states: States) -> FeedMessage:
    if item.event == "end":
        return FeedMessage(item.id, "end", json_text({"status": states.last["status"], **item.data}))
    return FeedMessage(item.id, item.event, item.json())


async def _awaited(states: States, attempt: int) -> AsyncIterator[State]:
    """Yield states as they come until one allows lines of ``attempt``, or the time is over."""
    deadline = time.monotonic() + AWAITED_S
    while True:
        for state in await states.refresh():
            yield state
        if states.allows(attempt) or time.monotonic() >= deadline:
            return
        await asyncio.sleep(_POLL_S)


async def merged(*sources: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
    """Yield what each source yields as it comes; a source is asked for more only when its last item was taken.

    All sources are closed at the end.
    """
    pending = {asyncio.ensure_future(anext(source)): source for source in sources}
    try:
        while pending:
            done, _ = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                source = pending.pop(task)
                with suppress(StopAsyncIteration):
                    yield task.result()
                    pending[asyncio.ensure_future(anext(source))] = source
    finally:
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        for source in sources:
            if (close := getattr(source, "aclose", None)) is not None:
                await close()


def _state(row: ExperimentRow | events.EventRow) -> State:
    return {field: getattr(row, field) for field in _FIELDS}


def _status(state: State) -> Status:
    return Status(state["status"] or "")
