"""``target``: the compute targets, and what they have."""

from __future__ import annotations

from tornado.web import authenticated

from submarine_jupyter_server.handlers.base import SubmarineHandler
from submarine_jupyter_server.handlers.url import choice
from submarine_jupyter_server.wire.encoding import json_text


class TargetHandler(SubmarineHandler):
    """The compute targets."""

    @authenticated
    async def get(self) -> None:
        """List them, with what they have unless ``capacity`` is false."""
        capacity = choice(self.query("capacity"), "capacity", "true", "false") != "false"
        service = await self.service()
        self.answer(json_text(await service.targets.list(self.principal(), capacity=capacity)))
