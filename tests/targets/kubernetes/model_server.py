"""An API server with one collection, its history and its faults: what a reflector is compared with."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from tests.targets.kubernetes.fault_server import EXPIRED, Exchange, FaultServer, answer, error, stream
from tests.targets.kubernetes.followed import bookmark, thing


class Model:
    """The script for the collection's path. ``pages``: its streams do not begin with all objects."""

    def __init__(self, server: FaultServer, *, pages: bool) -> None:
        self.items: dict[str, dict[str, Any]] = {}
        self._server = server
        self._pages = pages
        self._history: list[dict[str, Any]] = []
        self._revision = self._oldest = 1
        self._in_status = False
        self._open: list[Exchange] = []
        self._news = asyncio.Event()

    def put(self, name: str, value: int) -> dict[str, Any]:
        self._revision += 1
        known = self.items.get(name)
        uid = known["metadata"]["uid"] if known else f"u-{self._revision}"
        self.items[name] = thing(name, self._revision, value, uid)
        self._happened("MODIFIED" if known else "ADDED", self.items[name])
        return self.items[name]

    def delete(self, name: str) -> None:
        if item := self.items.pop(name, None):
            self._revision += 1
            last = thing(name, self._revision, item["value"], item["metadata"]["uid"])
            self._happened("DELETED", last)

    def compact(self, *, in_status: bool) -> None:
        self._oldest, self._in_status = self._revision, in_status

    def bookmark(self) -> None:
        self._happened("BOOKMARK", bookmark(self._revision)["object"])

    async def cut(self, part: bytes) -> None:
        for exchange in list(self._open):
            with contextlib.suppress(ConnectionError):
                await exchange.send(part)
        self._server.drop()

    def _happened(self, kind: str, item: dict[str, Any]) -> None:
        self._history.append({"type": kind, "object": item})
        self._news.set()
        self._news = asyncio.Event()

    async def __call__(self, exchange: Exchange) -> None:
        query = exchange.request.query
        if "watch" not in query:
            await self._page(exchange, int(query.get("continue", "0")))
        elif "sendInitialEvents" in query:
            if self._pages:
                await error(422, "Invalid")(exchange)
                return
            at, items = (len(self._history), self._revision), list(self.items.values())
            for item in items:
                await exchange.send(json.dumps({"type": "ADDED", "object": item}).encode() + b"\n")
            await exchange.send(json.dumps(bookmark(at[1], end=True)).encode() + b"\n")
            await self._follow(exchange, at[0])
        else:
            await self._resume(exchange, int(query["resourceVersion"]))

    async def _page(self, exchange: Exchange, start: int) -> None:
        """Two items a page. Only the first page is exact here, so the model does not change between two."""
        items = list(self.items.values())
        found = {"resourceVersion": str(self._revision)}
        if start + 2 < len(items):
            found["continue"] = str(start + 2)
        await answer({"kind": "PodList", "metadata": found, "items": items[start : start + 2]})(exchange)

    async def _resume(self, exchange: Exchange, version: int) -> None:
        if version < self._oldest:
            await (error(410, "Expired") if self._in_status else stream(EXPIRED))(exchange)
            return
        versions = [int(one["object"]["metadata"]["resourceVersion"]) for one in self._history]
        await self._follow(exchange, sum(found <= version for found in versions))

    async def _follow(self, exchange: Exchange, position: int) -> None:
        await exchange.send(b"")
        self._open.append(exchange)
        try:
            while not exchange.writer.is_closing():
                news = self._news
                for one in self._history[position:]:
                    await exchange.send(json.dumps(one).encode() + b"\n")
                    position += 1
                await news.wait()
        finally:
            self._open.remove(exchange)
