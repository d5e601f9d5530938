"""``experiment`` and ``experiment/{id}``: create, list, get, change, stop, delete."""

from __future__ import annotations

from tornado.web import authenticated

from submarine_jupyter_server.handlers.base import SubmarineHandler
from submarine_jupyter_server.handlers.body import MERGE_PATCH, media_type
from submarine_jupyter_server.handlers.url import choice, experiment_id, flag, idempotency_key, if_match
from submarine_jupyter_server.wire.answers.experiments import deleted_json, page_json, plan_json, shown_json
from submarine_jupyter_server.wire.answers.forecasts import forecast_data
from submarine_jupyter_server.wire.answers.groups import chosen_json
from submarine_jupyter_server.wire.answers.states import state_of
from submarine_jupyter_server.wire.queries.lists import bulk_query, list_query
from submarine_jupyter_server.wire.queries.logs import MAX_ATTEMPT
from submarine_jupyter_server.wire.queries.parameters import whole


class ExperimentsHandler(SubmarineHandler):
    """All experiments."""

    @authenticated
    async def get(self) -> None:
        """List them, newest first; ``view=summary`` adds how each is, ``view=row`` makes one compact row of each."""
        filters = self.filters()
        view = choice(filters, "view", "summary", "row")
        query = list_query(filters)
        service = await self.service()
        notices = list(service.notices) or None
        if view == "row":
            rows = await service.rows.page(self.principal(), query)
            self.answer(
                f"[{','.join(rows.texts)}]", {"nextCursor": rows.next_cursor, "note": rows.note, "notices": notices}
            )
            return
        page = await service.experiments.list(self.principal(), query, summary=view == "summary")
        self.answer(
            await self.made(page_json, page), {"nextCursor": page.next_cursor, "note": page.note, "notices": notices}
        )

    @authenticated
    async def post(self) -> None:
        """Create one; ``dryRun`` only shows what would be made, ``ifNotRunning`` answers with what the cell runs."""
        query = self.query("dryRun", "ifNotRunning")
        dry_run, if_not_running = flag(query, "dryRun"), flag(query, "ifNotRunning")
        key = idempotency_key(self.request.headers.get("Idempotency-Key"))
        body = await self.incoming.read(self.request.headers)
        submissions = (await self.service()).submissions
        if dry_run:
            plan = await submissions.plan(self.principal(), body)
            self.answer(await self.made(plan_json, plan), {"plan": forecast_data(plan.forecast)})
            return
        accepted = await submissions.create(self.principal(), body, key=key, if_not_running=if_not_running)
        if accepted.replayed:
            self.set_header("Idempotent-Replayed", "true")
        self.answer(accepted.experiment, {"attached": accepted.attached or None})

    @authenticated
    async def delete(self) -> None:
        """Delete all that fit the filters; ``dryRun`` only counts them, ``purge`` removes logs and secrets."""
        filters = self.filters()
        dry_run, purge = flag(filters, "dryRun"), flag(filters, "purge")
        query = bulk_query(filters)
        groups = (await self.service()).groups
        self.answer(chosen_json(await groups.delete(self.principal(), query, purge=purge, dry_run=dry_run)))


class ExperimentHandler(SubmarineHandler):
    """One experiment."""

    @authenticated
    async def get(self, name: str) -> None:
        """Return it; ``view=full`` adds why it is as it is, ``attempt`` shows what that one ran."""
        query = self.query("view", "attempt")
        full, attempt = choice(query, "view", "full") == "full", whole(query, "attempt", 1, MAX_ATTEMPT)
        experiments = (await self.service()).experiments
        shown = await experiments.get(self.principal(), experiment_id(name), full=full, attempt=attempt)
        self.answer(await self.made(shown_json, shown) if full else shown_json(shown))

    @authenticated
    async def patch(self, name: str) -> None:
        """Change it, by its whole spec or by a merge patch."""
        full = choice(self.query("view"), "view", "full") == "full"
        generation = if_match(self.request.headers.get("If-Match"))
        merge = media_type(self.request.headers) == MERGE_PATCH
        body = await self.incoming.read(self.request.headers, merge_patch=True)
        experiments, found = (await self.service()).experiments, experiment_id(name)
        shown = await experiments.patch(self.principal(), found, body, merge=merge, if_match=generation, full=full)
        self.answer(await self.made(shown_json, shown), {"note": shown.note})

    @authenticated
    async def delete(self, name: str) -> None:
        """End it and take it out of every list; with ``purge=true`` its logs and its secrets go at once."""
        purge = flag(self.query("purge"), "purge")
        service = await self.service()
        shown = await service.experiments.delete(self.principal(), experiment_id(name), purge=purge)
        self.answer(deleted_json(shown.row), {"note": shown.note})


class NotesHandler(SubmarineHandler):
    """What people note about one experiment."""

    @authenticated
    async def patch(self, name: str) -> None:
        """Change ``note``, ``pinned`` and ``archived``, each where it is given."""
        self.query()
        body = await self.incoming.read(self.request.headers, merge_patch=True, what="notes")
        service = await self.service()
        shown = await service.experiments.note(self.principal(), experiment_id(name), body)
        self.answer(await self.made(shown_json, shown))


class StopHandler(SubmarineHandler):
    """The end of one experiment that keeps its record."""

    @authenticated
    async def post(self, name: str) -> None:
        """End it."""
        self.query()
        service = await self.service()
        shown = await service.experiments.stop(self.principal(), experiment_id(name))
        self.answer(shown_json(shown), {"note": shown.note} if shown.note else {"state": state_of(shown.row)})
