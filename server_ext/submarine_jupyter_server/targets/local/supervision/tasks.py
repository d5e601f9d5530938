"""What is done unasked: tasks of which none is forgotten, and whose failures end nothing else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import ParamSpec

from submarine_jupyter.errors import SubmarineError

log = logging.getLogger(__name__)
P = ParamSpec("P")


class Tasks:
    """The tasks of one owner, who ends them all."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Begin something."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """End everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def safely(work: Callable[P, Awaitable[None]], *args: P.args, **kwargs: P.kwargs) -> None:
    """Be the root of something that is done unasked: what fails is tried again at the next tick."""
    try:
        await work(*args, **kwargs)
    except SubmarineError as error:
        log.warning("%s", error)
    except Exception:
        log.exception("an experiment could not be looked after; it is tried again")
