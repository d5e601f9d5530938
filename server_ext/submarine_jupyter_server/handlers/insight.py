"""``experiment/{id}/metrics`` and ``target``: what the server tells beyond experiments and logs."""

from __future__ import annotations

from tornado.web import authenticated

from submarine_jupyter_server.handlers.base import SubmarineHandler
from submarine_jupyter_server.handlers.query import choice, experiment_id


class MetricsHandler(SubmarineHandler):
    """The metrics of one experiment."""

    @authenticated
    async def get(self, name: str) -> None:
        """Return the series."""
        service = await self.service()
        self.answer(await service.insight.metrics(experiment_id(name), self.filters()))


class TargetHandler(SubmarineHandler):
    """The compute targets."""

    @authenticated
    async def get(self) -> None:
        """List them, with what they have unless ``capacity`` is false."""
        capacity = choice(self.query("capacity"), "capacity", "true", "false") != "false"
        service = await self.service()
        self.answer(await service.insight.targets(capacity=capacity))
