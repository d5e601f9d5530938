"""Whether experiments live, for a Jupyter Server that ends when it has been idle."""

from __future__ import annotations

import asyncio

from submarine_jupyter.errors import SubmarineError
from submarine_jupyter_server.opening.startup import Opening


class Activity:
    """Asked at once, answered from the database a moment later: what is returned is as old as the last question.

    Jupyter asks once a minute, and only where ServerApp.shutdown_no_activity_timeout is set.
    """

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._busy = True
        self._asking: asyncio.Task[None] | None = None

    def is_busy(self) -> bool:
        """Return whether an experiment had not ended when this was last asked."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.ensure_future(self._ask())
        return self._busy

    async def _ask(self) -> None:
        try:
            self._busy = await (await self._opening.service()).is_busy()
        except SubmarineError:
            self._busy = False  # what cannot be opened keeps nobody waiting
