"""``experiment/groups`` and ``experiment/stop``: experiments by group, and many at once."""

from __future__ import annotations

from tornado.web import authenticated

from submarine_jupyter_server.handlers.base import SubmarineHandler
from submarine_jupyter_server.handlers.url import flag
from submarine_jupyter_server.wire.answers.groups import chosen_json, groups_json
from submarine_jupyter_server.wire.queries.lists import bulk_query, list_query


class GroupsHandler(SubmarineHandler):
    """The groups, with their members counted by how they are."""

    @authenticated
    async def get(self) -> None:
        """List them, the one with the newest member first; the filters of lists choose which members count."""
        query = list_query(self.filters())
        groups = (await self.service()).groups
        self.answer(groups_json(await groups.count(self.principal(), query)))


class StopAllHandler(SubmarineHandler):
    """The end of many experiments that keep their records."""

    @authenticated
    async def post(self) -> None:
        """End all that fit the filters; ``dryRun`` only counts them."""
        filters = self.filters()
        dry_run = flag(filters, "dryRun")
        query = bulk_query(filters)
        groups = (await self.service()).groups
        self.answer(chosen_json(await groups.stop(self.principal(), query, dry_run=dry_run)))
