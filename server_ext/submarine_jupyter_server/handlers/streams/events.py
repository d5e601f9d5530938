"""``experiment/events`` and ``experiment/{id}/events``: state changes as server-sent events."""

from __future__ import annotations

from tornado.web import authenticated

from submarine_jupyter_server.handlers.base import SubmarineHandler
from submarine_jupyter_server.handlers.url import experiment_id, take
from submarine_jupyter_server.wire.queries.parameters import number


class EventsHandler(SubmarineHandler):
    """The state changes of all experiments, or of one."""

    @authenticated
    async def get(self, name: str | None = None) -> None:
        """Stream them, after Last-Event-ID (or ``lastEventId``) if given."""
        query = self.query("lastEventId")
        last = self.request.headers.get("Last-Event-ID") or take(query, "lastEventId")
        after, found = number(last, "lastEventId"), None if name is None else experiment_id(name)
        service = await self.service()
        await self.stream(await service.events.follow(self.principal(), after=after, experiment_id=found))
