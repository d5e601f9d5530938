"""The service while it is being opened: the server answers at once, the heavy part follows."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import logging
import sys
from typing import TYPE_CHECKING

from submarine_jupyter.errors import Unavailable
from submarine_jupyter_server.config import ServiceConfig, private_directory
from submarine_jupyter_server.process.daemon_threads import begun
from submarine_jupyter_server.process.notices import cause

if TYPE_CHECKING:
    from submarine_jupyter_server.opening.wiring import Service

WAIT_SECONDS = 30.0
# A service that is closed while it opens ends as it does after that.
CLOSE_SECONDS = 4.5
# The imports of the service compete with those of the page that the user is waiting for.
HEAD_START_SECONDS = 1.0

log = logging.getLogger(__name__)


class Opening:
    """Own the one service of this server, from the first import to the last write."""

    def __init__(self) -> None:
        self._task: asyncio.Task[Service] | None = None
        self._wanted = asyncio.Event()

    def start(self, config: ServiceConfig, *, own_process: bool = False) -> None:
        """Open the service in a second, or when it is first asked for; called on the event loop.

        ``own_process``: the process is there for nothing else, so what is in its memory by then stays.
        """
        if self._task is None:
            self._task = asyncio.create_task(self._open(config, own_process), name="submarine-open")

    async def service(self) -> Service:
        """Return the service, waiting at most 30 s for it. Raises Unavailable."""
        task = self._task
        if task is not None:
            self._wanted.set()
            if not task.done():
                await asyncio.wait({task}, timeout=WAIT_SECONDS)
        if task is None or task.cancelled():
            raise Unavailable("Submarine is not running.", hint="The server is starting or stopping; try again.")
        if not task.done():
            raise Unavailable("Submarine is still starting.", hint="Try again in a moment.")
        if failure := task.exception():
            raise Unavailable(
                f"Submarine could not start: {cause(failure)}",
                hint="Fix the cause and restart the Jupyter Server; its log has the details.",
            )
        return task.result()

    def notices(self) -> list[str]:
        """Return what the user should know about the opened service, such as a database that was restored."""
        task = self._task
        ready = task is not None and task.done() and not task.cancelled() and task.exception() is None
        return list(task.result().notices) if task is not None and ready else []

    async def close(self) -> None:
        """Close the service, or give up opening it; running experiments go on."""
        task, self._task = self._task, None
        if task is None:
            return
        if not task.done():
            task.cancel()
        await asyncio.wait({task}, timeout=CLOSE_SECONDS)
        if task.done() and not task.cancelled() and task.exception() is None:
            await task.result().close()

    async def _open(self, config: ServiceConfig, own_process: bool) -> Service:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HEAD_START_SECONDS):
                await self._wanted.wait()
        service = await _open(config)
        if own_process:
            # To look through all that was imported for garbage, again and again, would hold the event loop 60 ms. As a
            # guest in a process of others we leave that to them: their garbage would stay with it.
            gc.freeze()
        return service


def check_system(platform: str) -> None:
    """Refuse a system that lacks what the server is built on. Raises Unavailable."""
    if platform in ("win32", "cygwin"):
        raise Unavailable(
            "the Submarine server runs on Linux and macOS, not on Windows.",
            hint="run Jupyter in WSL, or connect a notebook to a server elsewhere: %submarine connect URL",
        )


async def _open(config: ServiceConfig) -> Service:
    try:
        check_system(sys.platform)
        await begun(lambda: private_directory(config.data_dir), "submarine data directory")
        # 0.5 s of imports (pydantic, SQLAlchemy): in a thread, so that the server answers meanwhile.
        await begun(lambda: importlib.import_module("submarine_jupyter_server.opening.wiring"), "submarine import")
        from submarine_jupyter_server.opening.wiring import Service

        service = await Service.open(config)
    except Exception as error:
        log.exception(
            "Submarine cannot run experiments: %s. Fix the cause and restart the Jupyter Server (data: %s)",
            cause(error),
            config.data_dir,
        )
        raise
    return service
