"""``experiment/logs`` and ``experiment/logs/{id}``: lists, pages, followed streams, raw bytes, downloads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tornado.web import authenticated

from submarine_jupyter_server.handlers.base import SubmarineHandler
from submarine_jupyter_server.handlers.streams.sse import write
from submarine_jupyter_server.handlers.url import Values, choice, experiment_id, flag, take
from submarine_jupyter_server.wire.answers.logs import (
    log_names_json,
    matches_about,
    matches_json,
    merged_about,
    merged_json,
    places_json,
)
from submarine_jupyter_server.wire.encoding import json_text
from submarine_jupyter_server.wire.queries.lists import list_query
from submarine_jupyter_server.wire.queries.logs import (
    log_query,
    merged_query,
    place_in_log,
    place_query,
    search_query,
    wanted_bytes,
)
from submarine_jupyter_server.wire.queries.parameters import number, only


class LogsHandler(SubmarineHandler):
    """The logs there are."""

    @authenticated
    async def get(self) -> None:
        """List them, by name only."""
        query = list_query(self.filters())
        service = await self.service()
        found = await service.logs.list(self.principal(), query)
        self.answer(await self.made(log_names_json, found), {"nextCursor": found.next_cursor})


class LogHandler(SubmarineHandler):
    """The logs of one experiment."""

    @authenticated
    async def get(self, name: str) -> None:
        """Return lines, search them, follow them (``follow=true``), or return one replica's bytes (``format=raw``)."""
        query, found = self.filters(), experiment_id(name)
        if (special := self._special(query)) is not None:
            await special(found, query)
            return
        download = flag(query, "download")
        if choice(query, "format", "raw") or download:
            await self._raw(found, query, download=download)
        elif flag(query, "follow"):
            await self._follow(found, query)
        else:
            lines = log_query(query)
            pages = await (await self.service()).logs.page(self.principal(), found, lines)
            self.answer(await self.made(json_text, pages.result), pages.attributes)

    def _special(self, query: Values) -> Callable[[str, Values], Awaitable[None]] | None:
        """Return what answers something else than lines or bytes of replicas, if that is asked for."""
        if "search" in query:
            return self._search
        if flag(query, "merged"):
            return self._merged
        return self._places if "at" in query else None

    async def _merged(self, name: str, query: Values) -> None:
        wanted = merged_query(query)
        found = await (await self.service()).log_times.merged(self.principal(), name, wanted)
        self.answer(await self.made(merged_json, found), merged_about(found))

    async def _places(self, name: str, query: Values) -> None:
        wanted = place_query(query)
        found = await (await self.service()).log_times.places(self.principal(), name, wanted)
        self.answer(places_json(found), {"next": str(found.next)})

    async def _search(self, name: str, query: Values) -> None:
        wanted = search_query(query)
        searcher = (await self.service()).log_search
        found = await self.while_there(searcher.search(self.principal(), name, wanted))
        if found is not None:
            self.answer(await self.made(matches_json, found), matches_about(found))

    async def _follow(self, found: str, query: Values) -> None:
        only(query, "replica", "tail", "lastEventId")
        last = self.request.headers.get("Last-Event-ID") or take(query, "lastEventId")
        position = place_in_log(last)
        tail, replica = number(take(query, "tail"), "tail"), take(query, "replica")
        logs = (await self.service()).logs
        await self.stream(await logs.follow(self.principal(), found, replica=replica, position=position, tail=tail))

    async def _raw(self, found: str, query: Values, *, download: bool) -> None:
        only(query, "replica")
        replica, part = take(query, "replica"), wanted_bytes(self.request.headers.get("Range"))
        log = await (await self.service()).logs.raw(self.principal(), found, replica=replica, part=part)
        if log.ranged:
            self.set_header("Accept-Ranges", "bytes")
        if log.part is not None:
            self.set_status(206)
            self.set_header("Content-Range", log.part.content_range)
        if log.gaps:
            self.set_header("Submarine-Log-Gaps", log.gaps)
        # What training code prints must never become a page: no sniffing, no scripts, no embedding.
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("Content-Security-Policy", "sandbox; default-src 'none'")
        if download:
            self.set_attachment_header(f"{found}-{replica or 'logs'}.log")
        async for chunk in log.chunks:
            if not await write(self, chunk):
                break
