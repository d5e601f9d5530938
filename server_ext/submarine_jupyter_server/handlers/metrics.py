"""``experiment/{id}/metrics``: the curves of one experiment."""

from __future__ import annotations

from tornado.web import authenticated

from submarine_jupyter_server.handlers.base import SubmarineHandler
from submarine_jupyter_server.handlers.url import experiment_id


class MetricsHandler(SubmarineHandler):
    """The metrics of one experiment."""

    @authenticated
    async def get(self, name: str) -> None:
        """Return the series."""
        service = await self.service()
        self.answer(await service.insight.metrics(experiment_id(name), self.filters()))
