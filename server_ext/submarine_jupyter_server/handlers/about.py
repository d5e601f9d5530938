"""``experiment/ping`` and ``openapi.json``: is it there, and what can it do."""

from __future__ import annotations

import asyncio
import importlib
from functools import cache

from jupyter_server.utils import url_path_join
from tornado.web import authenticated

from submarine_jupyter_server.handlers.base import SubmarineHandler
from submarine_jupyter_server.handlers.envelope import success


class PingHandler(SubmarineHandler):
    """A sign of life."""

    @authenticated
    def get(self) -> None:
        """Answer at once, opened or not; ``notices`` are what the user should know."""
        self.query()
        notices = self.surroundings.opening.notices()
        if self.surroundings.insecure is not None:
            notices = [f"This server runs no experiments: {self.surroundings.insecure[0]}", *notices]
        self.finish(success('"Pong"', {"notices": notices} if notices else {}))


class OpenApiHandler(SubmarineHandler):
    """The OpenAPI document of this API, without an envelope."""

    @authenticated
    async def get(self) -> None:
        """Return the document."""
        self.query()
        text = await asyncio.to_thread(_document, url_path_join(self.base_url, "api/v1"))
        self.set_header("Cache-Control", "no-cache")
        self.finish(text)


@cache
def _document(url: str) -> str:
    # It is generated from the pydantic models, which the start of a server must not wait for.
    return str(importlib.import_module("submarine_jupyter_server.wire.openapi.document").document(url))
