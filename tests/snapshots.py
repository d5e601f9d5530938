"""Snapshots of the rows of a server: what it remembers of them has to be what its database has."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from submarine_jupyter_server.feed.row_feed import RowFeed
from submarine_jupyter_server.store.engine.database import Database


async def snapshot(feed: RowFeed) -> list[str]:
    """Return all rows as a new tab gets them."""
    texts: list[str] = []
    async with asyncio.timeout(30), aclosing(feed.follow(None)) as found:
        async for changes in found:
            texts += changes.rows
            if changes.place is not None:
                break
    return texts


async def check_remembered(feed: RowFeed, db: Database) -> None:
    """Fail unless a snapshot of what is remembered comes to be what is read anew."""
    for _ in range(100):
        anew = RowFeed(db)
        remembered, read = await snapshot(feed), await snapshot(anew)
        await anew.close()
        if remembered == read:
            return
        await asyncio.sleep(0.1)  # something changed between the two
    assert remembered == read
