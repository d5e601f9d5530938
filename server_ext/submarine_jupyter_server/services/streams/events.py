"""The state changes of experiments, as they come."""

from __future__ import annotations

from collections.abc import AsyncIterator

from submarine_jupyter_server.feed.event_feed import EventFeed, FeedMessage
from submarine_jupyter_server.services import access
from submarine_jupyter_server.services.principal import Principal
from submarine_jupyter_server.store.engine.database import Database


class Events:
    """What happens to the experiments of a principal."""

    def __init__(self, db: Database, feed: EventFeed) -> None:
        self._db = db
        self._feed = feed

    async def follow(
        self, principal: Principal, *, after: int | None = None, experiment_id: str | None = None
    ) -> AsyncIterator[FeedMessage | None]:
        """Return the events after number ``after`` (None: from now on), of one experiment or of all; None: a heartbeat.

        A stream of one experiment begins with its history, and ends with it. Raises NotFound.
        """
        if experiment_id is not None:
            await self._db.read(lambda tx: access.find(tx, principal, experiment_id))
        return self._feed.stream(after, experiment_id, access.only_owner(principal))
