"""Which experiments have new points: each commit is examined once, whoever follows.

A follower learns only that there are some. It reads them when its client has room, so a slow one has no backlog.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from submarine_jupyter_server.feed.after_commits import AfterCommits
from submarine_jupyter_server.process.notices import Failing
from submarine_jupyter_server.store.curves import following
from submarine_jupyter_server.store.engine.database import Database

# Points that come so soon after others are sent together with the next: logs are read twice a second.
COALESCE_S = 0.02


@dataclass(eq=False, slots=True)
class Follower:
    """One who follows some experiments; ``quiet`` is up to which number none of them has a new point."""

    ids: frozenset[str]
    quiet: int
    news: asyncio.Event = field(default_factory=asyncio.Event)


class PointFeed:
    """The points of one database, and who follows them."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._followers: set[Follower] = set()
        self._last = 0
        self._beginning = asyncio.Lock()
        failing = Failing(db.notices, "points", "Reading the points of metrics")
        self._reading = AfterCommits("submarine points", self._publish, failing, COALESCE_S)

    def committed(self) -> None:
        """Take note that a transaction was committed; to be called on the event loop."""
        self._reading.committed()

    async def close(self) -> None:
        """Examine no more commits."""
        await self._reading.close()

    @asynccontextmanager
    async def following(self, ids: Collection[str]) -> AsyncIterator[Follower]:
        """Follow some experiments: from here on no new point is missed."""
        async with self._beginning:
            if not self._followers:
                self._last = (await self._db.read(following.place)).seq
            follower = Follower(frozenset(ids), self._last)
            self._followers.add(follower)
        self._reading.start()
        try:
            yield follower
        finally:
            self._followers.discard(follower)

    async def _publish(self) -> None:
        if not self._followers:
            return
        since = self._last
        until = (await self._db.read(following.place)).seq
        ids = await self._db.read(lambda tx: following.moved(tx, since, until)) if until > since else set()
        self._last = until
        for follower in self._followers:
            if not follower.ids.isdisjoint(ids):
                follower.news.set()
            elif not follower.news.is_set():
                follower.quiet = until
