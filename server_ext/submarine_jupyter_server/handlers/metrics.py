"""``experiment/{id}/metrics``: the curves of one experiment."""

from __future__ import annotations

from tornado.web import authenticated

from submarine_jupyter_server.handlers.base import SubmarineHandler
from submarine_jupyter_server.handlers.url import experiment_id
from submarine_jupyter_server.wire.answers.curves import curves_attributes, curves_json
from submarine_jupyter_server.wire.queries.metrics import metric_query


class MetricsHandler(SubmarineHandler):
    """The metrics of one experiment."""

    @authenticated
    async def get(self, name: str) -> None:
        """Return the series."""
        query = metric_query(self.filters())
        service = await self.service()
        curves = await service.metrics.curves(self.principal(), experiment_id(name), query)
        self.answer(await self.made(curves_json, curves), curves_attributes(curves))
