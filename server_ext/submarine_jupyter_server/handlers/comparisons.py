"""``experiment/compare`` and ``experiment/diff``: experiments side by side."""

from __future__ import annotations

from tornado.web import authenticated

from submarine_jupyter.errors import InvalidRequest
from submarine_jupyter_server.handlers.base import SubmarineHandler
from submarine_jupyter_server.handlers.url import experiment_id
from submarine_jupyter_server.wire.comparison.columns import comparison_attributes, comparison_json, comparison_query
from submarine_jupyter_server.wire.comparison.difference import difference_json
from submarine_jupyter_server.wire.queries.parameters import one


class CompareHandler(SubmarineHandler):
    """Many experiments."""

    @authenticated
    async def get(self) -> None:
        """Return them in columns: those of ``ids``, or of the filters of a list."""
        query = comparison_query(self.filters())
        service = await self.service()
        found = await service.comparisons.compare(self.principal(), query)
        self.answer(await self.made(comparison_json, found), comparison_attributes(found))


class DiffHandler(SubmarineHandler):
    """Two experiments."""

    @authenticated
    async def get(self) -> None:
        """Return how ``b`` differs from ``a``."""
        query = self.query("a", "b")
        first, second = one(query, "a"), one(query, "b")
        if first is None or second is None:
            raise InvalidRequest("'a' and 'b' name the two experiments: give both.")
        service = await self.service()
        two = await service.comparisons.diff(self.principal(), experiment_id(first), experiment_id(second))
        self.answer(await self.made(difference_json, two))
