"""Rows of experiments as they change: each change is read once, whoever follows it.

The changes are those of the database, of whichever server: events, and metrics that were read. A follower keeps what it
has not sent yet by experiment, so a slow one gets the newest row of each and no backlog.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection

from submarine_jupyter_server.feed.after_commits import AfterCommits
from submarine_jupyter_server.feed.row_texts import Row, RowTexts
from submarine_jupyter_server.process.notices import Failing
from submarine_jupyter_server.store.annotations import row_changes
from submarine_jupyter_server.store.annotations.row_changes import Place
from submarine_jupyter_server.store.engine.database import Database
from submarine_jupyter_server.store.lists import summaries
from submarine_jupyter_server.store.lists.summaries import Summary
from submarine_jupyter_server.wire.rows import row_json

# What changes so soon after another change is sent together with the next: it halves the work of a browser.
COALESCE_S = 0.02
PAGE = 1000


@dataclass(frozen=True, slots=True)
class Changes:
    """Rows as JSON text, newest first in a ``snapshot``, and experiments that are ``gone``.

    ``place`` is where to go on from; None: more of the same snapshot follows.
    """

    rows: tuple[str, ...]
    gone: tuple[str, ...] = ()
    place: Place | None = None
    snapshot: bool = False


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
        self._texts = RowTexts()
        self._beginning = asyncio.Lock()
        failing = Failing(db.notices, "rows", "Reading the rows of experiments")
        self._reading = AfterCommits("submarine rows", self._publish, failing, COALESCE_S)

    def committed(self) -> None:
        """Record that a transaction was committed; to be called on the event loop."""
        self._reading.committed()

    async def close(self) -> None:
        """Read no more changes."""
        await self._reading.close()

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
        until = await self._remembered()
        if until is None:
            async for changes in self._read_anew(follower):
                yield changes
            return
        follower.forget_older(until)
        texts = self._texts.of(follower.owner)
        for begin in range(0, max(len(texts), 1), PAGE):
            done = begin + PAGE >= len(texts)
            yield Changes(tuple(texts[begin : begin + PAGE]), place=until if done else None, snapshot=True)

    async def _remembered(self) -> Place | None:
        """Bring the rows that are remembered up to now and return of when they are; None where there are none."""
        after = self._texts.place
        if after is None:
            return None
        missed = await self._db.read(lambda tx: _since(tx, after, sudden=True))
        if missed is None:
            self._texts.forget()
        else:
            changed, until = missed
            self._texts.go_on(changed, after, until)
        return self._texts.place

    async def _read_anew(self, follower: _Follower) -> AsyncIterator[Changes]:
        """Yield all rows as the database has them now, page by page, and remember them where they are everybody's."""
        # Apart until it is whole, and no more than is remembered in the end: there may be a million rows.
        anew = RowTexts()
        before, until = None, None
        while True:
            rows, now = await self._db.read(lambda tx, before=before: _page(tx, follower.owner, before))  # type: ignore[misc]
            if until is None:
                until = now
                follower.forget_older(until)
                if follower.owner is None:
                    anew.begin((), until)
            anew.add(rows)
            done, before = len(rows) < PAGE, rows[-1].seq if rows else None
            if done and anew.place is not None:
                self._texts.begin(anew.rows(), anew.place)
            texts = tuple(row.text for row in rows if row.text is not None)
            yield Changes(texts, place=until if done else None, snapshot=True)
            if done:
                return

    @asynccontextmanager
    async def _following(self, owner: str | None) -> AsyncIterator[_Follower]:
        async with self._beginning:
            if not self._followers:
                self._place = await self._db.read(row_changes.place)
            follower = _Follower(owner, self._place)
            self._followers.add(follower)
        self._reading.start()
        try:
            yield follower
        finally:
            self._followers.discard(follower)

    async def _publish(self) -> None:
        if not self._followers:
            return
        after = self._place
        found = await self._db.read(lambda tx: _since(tx, after, sudden=False))
        rows, self._place = found or ({}, await self._db.read(row_changes.place))
        if found is not None:
            self._texts.go_on(rows, after, self._place)
        for follower in self._followers:
            follower.place = self._place
            follower.lost = follower.lost or found is None
            follower.waiting |= _of_owner(rows, follower.owner)
            if follower.waiting or follower.lost:
                follower.news.set()


def _since(tx: Connection, after: Place, *, sudden: bool) -> tuple[dict[str, Row], Place] | None:
    """Return what has changed since a place, and up to where; None where that is not known any more.

    ``sudden``: somebody comes back, and may have been away for a year.
    """
    until = row_changes.place(tx)
    ids = row_changes.changed(tx, after, until, bounded=sudden)
    if ids is None:
        return None
    return {found.row.id: _row(found) for found in summaries.of(tx, ids)}, until


def _page(tx: Connection, owner: str | None, before: int | None) -> tuple[list[Row], Place]:
    now = row_changes.place(tx)
    return [_row(one) for one in summaries.page(tx, owner, before, PAGE)], now


def _row(found: Summary) -> Row:
    row = found.row
    return Row(row.seq, row.id, row.owner, row_json(found) if row.deleted is None else None)


def _of_owner(found: Mapping[str, Row], owner: str | None) -> dict[str, str | None]:
    return {experiment_id: row.text for experiment_id, row in found.items() if owner in (None, row.owner)}


def _changes(found: Mapping[str, str | None], place: Place) -> Changes:
    rows = tuple(text for text in found.values() if text is not None)
    return Changes(rows, tuple(experiment_id for experiment_id, text in found.items() if text is None), place)
