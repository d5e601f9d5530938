"""``experiment`` and ``experiment/{id}``: create, list, get, change, stop, delete."""

from __future__ import annotations

from tornado.web import authenticated

from submarine_jupyter_server.handlers.base import SubmarineHandler
from submarine_jupyter_server.handlers.body import MERGE_PATCH, media_type
from submarine_jupyter_server.handlers.url import choice, experiment_id, flag, idempotency_key, if_match
from submarine_jupyter_server.wire.parameters import whole


class ExperimentsHandler(SubmarineHandler):
    """All experiments."""

    @authenticated
    async def get(self) -> None:
        """List them, newest first; ``view=summary`` adds how each is."""
        filters = self.filters()
        summary = choice(filters, "view", "summary") == "summary"
        service = await self.service()
        self.answer((await service.experiments.list(filters, summary=summary)).noted(list(service.notices)))

    @authenticated
    async def post(self) -> None:
        """Create one; with ``dryRun=true`` only show what would be made."""
        dry_run = flag(self.query("dryRun"), "dryRun")
        key = idempotency_key(self.request.headers.get("Idempotency-Key"))
        body = await self.incoming.read(self.request.headers)
        experiments = (await self.service()).experiments
        if dry_run:
            self.answer(await experiments.plan(body, owner=self.owner()))
        else:
            self.answer(await experiments.create(body, owner=self.owner(), key=key))


class ExperimentHandler(SubmarineHandler):
    """One experiment."""

    @authenticated
    async def get(self, name: str) -> None:
        """Return it; ``view=full`` adds why it is as it is, ``attempt`` shows what that one ran."""
        query = self.query("view", "attempt")
        full, attempt = choice(query, "view", "full") == "full", whole(query, "attempt", 1, 10**6)
        service = await self.service()
        self.answer(await service.experiments.get(experiment_id(name), full=full, attempt=attempt))

    @authenticated
    async def patch(self, name: str) -> None:
        """Change it, by its whole spec or by a merge patch."""
        full = choice(self.query("view"), "view", "full") == "full"
        generation = if_match(self.request.headers.get("If-Match"))
        merge = media_type(self.request.headers) == MERGE_PATCH
        body = await self.incoming.read(self.request.headers, merge_patch=True)
        experiments = (await self.service()).experiments
        found = experiment_id(name)
        self.answer(await experiments.patch(found, body, merge=merge, if_match=generation, full=full))

    @authenticated
    async def delete(self, name: str) -> None:
        """End it and take it out of every list; with ``purge=true`` its logs and its secrets go at once."""
        purge = flag(self.query("purge"), "purge")
        service = await self.service()
        self.answer(await service.experiments.delete(experiment_id(name), purge=purge))


class StopHandler(SubmarineHandler):
    """The end of one experiment that keeps its record."""

    @authenticated
    async def post(self, name: str) -> None:
        """End it."""
        self.query()
        service = await self.service()
        self.answer(await service.experiments.stop(experiment_id(name)))
