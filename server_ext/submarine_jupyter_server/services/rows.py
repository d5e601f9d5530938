"""Experiments as compact rows: a page of them, or all as they change."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from sqlalchemy import Connection

from submarine_jupyter_server.feed.row_feed import Changes, RowFeed
from submarine_jupyter_server.services import access
from submarine_jupyter_server.services.principal import Principal
from submarine_jupyter_server.services.unknown import unknown
from submarine_jupyter_server.store.annotations.row_changes import Place
from submarine_jupyter_server.store.engine.database import Database
from submarine_jupyter_server.store.experiments import Query
from submarine_jupyter_server.store.lists import summaries
from submarine_jupyter_server.wire.rows import row_json


@dataclass(frozen=True, slots=True)
class RowPage:
    """Some rows, each as JSON text, and the cursor of the page after them."""

    texts: list[str]
    next_cursor: str | None
    note: str | None = None


class Rows:
    """What lists show of experiments."""

    def __init__(self, db: Database, feed: RowFeed) -> None:
        self._db = db
        self._feed = feed

    async def page(self, principal: Principal, query: Query) -> RowPage:
        """Return one page of rows. Raises InvalidRequest for a bad filter, sort or cursor."""

        def read(tx: Connection) -> RowPage:
            page = access.page(tx, principal, query)
            found = {one.row.id: row_json(one) for one in summaries.of(tx, [row.id for row in page.rows])}
            return RowPage([found[row.id] for row in page.rows], page.next_cursor, unknown(tx, principal, query, page))

        return await self._db.read(read)

    def follow(self, principal: Principal, after: Place | None = None) -> AsyncGenerator[Changes, None]:
        """Return what a principal may see: all rows, or those that have changed since ``after``, then each change."""
        return self._feed.follow(access.only_owner(principal), after)
