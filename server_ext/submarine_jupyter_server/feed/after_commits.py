"""When a feed reads: a moment after a commit, once for all commits of that moment."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from submarine_jupyter_server.process.notices import Failing

# Whoever made the commit answers first: the thread that reads would compete with it for the interpreter.
_AFTER_YOU_S = 0.003


class AfterCommits:
    """Carries out ``work`` after commits, at most once in ``pause_s`` seconds; where it fails, again later."""

    def __init__(self, name: str, work: Callable[[], Awaitable[None]], failing: Failing, pause_s: float = 0.0) -> None:
        self._name = name
        self._work = work
        self._failing = failing
        self._pause_s = pause_s
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, unless it has begun."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=self._name)

    async def close(self) -> None:
        """Do no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def committed(self) -> None:
        """Record that a transaction was committed; to be called on the event loop."""
        self._news.set()

    async def _run(self) -> None:
        while True:
            await self._news.wait()
            await asyncio.sleep(_AFTER_YOU_S)
            self._news.clear()
            try:
                await self._work()
            except Exception as error:  # noqa: BLE001 - it is logged, and shown as a notice
                await asyncio.sleep(self._failing.again(error))
                self._news.set()
                continue
            self._failing.over()
            await asyncio.sleep(self._pause_s)
