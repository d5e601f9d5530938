"""Rows of experiments as they change: each change is read once, whoever follows it.

The changes are those of the database, of whichever server: events, and metrics that were read. A follower keeps what it
has not sent yet by experiment, so a slow one gets the newest row of each and no backlog.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection

from submarine_jupyter_server.store.annotations import row_changes
from submarine_jupyter_server.store.annotations.row_changes import Place
from submarine_jupyter_server.store.engine import Database
from submarine_jupyter_server.store.lists import summaries
from submarine_jupyter_server.store.lists.summaries import Summary
from submarine_jupyter_server.wire.rows import row_json

log = logging.getLogger(__name__)
# What changes so soon after another change is sent together with the next: it halves the work of a browser.
COALESCE_S = 0.02
# Whoever made the commit answers first: the thread that reads would compete with it for the interpreter.
_AFTER_YOU_S = 0.003
PAGE = 1000
_AFTER_FAILURE_S = 1.0


@dataclass(frozen=True, slots=True)
class Changes:
    """Rows as JSON text, newest first in a ``snapshot``, and experiments that are ``gone``.

    ``place`` is where to go on from; None: more of the same snapshot follows.
    """

    rows: tuple[str, ...]
    gone: tuple[str, ...] = ()
    place: Place | None = None
    snapshot: bool = False


@dataclass(frozen=True, slots=True)
class _Row:
    owner: str
    text: str | None


@dataclass(eq=False, slots=True)
class _Follower:
    """One who follows: what waits for him, and up to where; ``lost`` when only a snapshot can tell what he missed."""

    owner: str | None
    place: Place
    lost: bool = False
    waiting: dict[str, str | None] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def forget_older(self, until: Place) -> None:
        """Drop what was read before a place from which newer rows are at hand: no row goes back in time."""
        if until.covers(self.place):
            self.waiting.clear()
            self.place = until


class RowFeed:
    """The rows of one database, and who follows them."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._followers: set[_Follower] = set()
        self._place = Place(0, 0)
        self._news = asyncio.Event()
        self._beginning = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def committed(self) -> None:
        """Record that a transaction was committed; to be called on the event loop."""
        self._news.set()

    async def close(self) -> None:
        """Read no more changes."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def follow(self, owner: str | None, after: Place | None = None) -> AsyncGenerator[Changes, None]:
        """Yield the rows of an owner (None: of all), or what has changed since ``after``, then each change."""
        async with self._following(owner) as follower:
            missed = None if after is None else await self._db.read(lambda tx: _since(tx, after, sudden=True))
            follower.lost = missed is None
            if missed is not None:
                found, until = missed
                follower.forget_older(until)
                yield _changes(_of_owner(found, follower.owner), until)
            while True:
                if follower.lost:
                    async for changes in self._snapshot(follower):
                        yield changes
                await follower.news.wait()
                follower.news.clear()
                waiting, follower.waiting = follower.waiting, {}
                if waiting and not follower.lost:
                    yield _changes(waiting, follower.place)

    async def _snapshot(self, follower: _Follower) -> AsyncIterator[Changes]:
        """Yield all rows: with the last of them a follower is where the first were read, or beyond."""
        follower.lost = False
        before, until = None, None
        while True:
            texts, last, now = await self._db.read(lambda tx, before=before: _page(tx, follower.owner, before))  # type: ignore[misc]
            if until is None:
                until = now
                follower.forget_older(until)
            done, before = len(texts) < PAGE, last
            yield Changes(tuple(texts), place=until if done else None, snapshot=True)
            if done:
                return

    @asynccontextmanager
    async def _following(self, owner: str | None) -> AsyncIterator[_Follower]:
        async with self._beginning:
            if not self._followers:
                self._place = await self._db.read(row_changes.place)
            follower = _Follower(owner, self._place)
            self._followers.add(follower)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="submarine rows")
        try:
            yield follower
        finally:
            self._followers.discard(follower)

    async def _run(self) -> None:
        while True:
            await self._news.wait()
            await asyncio.sleep(_AFTER_YOU_S)
            self._news.clear()
            if not self._followers:
                continue
            try:
                await self._publish()
                await asyncio.sleep(COALESCE_S)
            except Exception:
                log.exception("The rows of experiments cannot be read")
                await asyncio.sleep(_AFTER_FAILURE_S)
                self._news.set()

    async def _publish(self) -> None:
        after = self._place
        found = await self._db.read(lambda tx: _since(tx, after, sudden=False))
        rows, self._place = found or ({}, await self._db.read(row_changes.place))
        for follower in self._followers:
            follower.place = self._place
            follower.lost = follower.lost or found is None
            follower.waiting |= _of_owner(rows, follower.owner)
            if follower.waiting or follower.lost:
                follower.news.set()


def _since(tx: Connection, after: Place, *, sudden: bool) -> tuple[dict[str, _Row], Place] | None:
    """Return what has changed since a place, and up to where; None where that is not known any more.

    ``sudden``: somebody comes back, and may have been away for a year.
    """
    until = row_changes.place(tx)
    ids = row_changes.changed(tx, after, until, bounded=sudden)
    if ids is None:
        return None
    return {found.row.id: _Row(found.row.owner, _text(found)) for found in summaries.of(tx, ids)}, until


def _page(tx: Connection, owner: str | None, before: int | None) -> tuple[list[str], int | None, Place]:
    now = row_changes.place(tx)
    found = summaries.page(tx, owner, before, PAGE)
    return [row_json(one) for one in found], found[-1].row.seq if found else None, now


def _text(found: Summary) -> str | None:
    return row_json(found) if found.row.deleted is None else None


def _of_owner(found: Mapping[str, _Row], owner: str | None) -> dict[str, str | None]:
    return {experiment_id: row.text for experiment_id, row in found.items() if owner in (None, row.owner)}


def _changes(found: Mapping[str, str | None], place: Place) -> Changes:
    rows = tuple(text for text in found.values() if text is not None)
    return Changes(rows, tuple(experiment_id for experiment_id, text in found.items() if text is None), place)
