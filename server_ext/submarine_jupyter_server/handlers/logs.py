"""``experiment/logs`` and ``experiment/logs/{id}``: lists, pages, followed streams, raw bytes, downloads."""

from __future__ import annotations

from tornado.web import authenticated

from submarine_jupyter_server.handlers.base import SubmarineHandler
from submarine_jupyter_server.handlers.sse import write
from submarine_jupyter_server.handlers.url import Values, choice, experiment_id, flag, take
from submarine_jupyter_server.wire.parameters import number, only


class LogsHandler(SubmarineHandler):
    """The logs there are."""

    @authenticated
    async def get(self) -> None:
        """List them, by name only."""
        service = await self.service()
        self.answer(await service.logs.list(self.filters()))


class LogHandler(SubmarineHandler):
    """The logs of one experiment."""

    @authenticated
    async def get(self, name: str) -> None:
        """Return lines, follow them (``follow=true``), or return one replica's bytes (``format=raw``)."""
        query, found = self.filters(), experiment_id(name)
        download = flag(query, "download")
        if choice(query, "format", "raw") or download:
            await self._raw(found, query, download=download)
        elif flag(query, "follow"):
            await self._follow(found, query)
        else:
            service = await self.service()
            self.answer(await service.logs.page(found, query))

    async def _follow(self, found: str, query: Values) -> None:
        only(query, "replica", "tail", "lastEventId")
        position = self.request.headers.get("Last-Event-ID") or take(query, "lastEventId")
        tail, replica = number(take(query, "tail"), "tail"), take(query, "replica")
        logs = (await self.service()).logs
        await self.stream(await logs.follow(found, replica=replica, position=position, tail=tail))

    async def _raw(self, found: str, query: Values, *, download: bool) -> None:
        only(query, "replica")
        replica = take(query, "replica")
        logs = (await self.service()).logs
        log = await logs.raw(found, replica=replica, range_header=self.request.headers.get("Range"))
        self.set_status(log.status)
        for header, value in log.headers.items():
            self.set_header(header, value)
        # What training code prints must never become a page: no sniffing, no scripts, no embedding.
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("Content-Security-Policy", "sandbox; default-src 'none'")
        if download:
            self.set_attachment_header(f"{found}-{replica or 'logs'}.log")
        async for chunk in log.chunks:
            if not await write(self, chunk):
                break
