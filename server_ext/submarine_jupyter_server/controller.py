"""Which of several servers on one data directory gives orders to the targets.

An exclusive flock decides; the kernel frees it when the holder dies, however it dies, so another server takes over
within a second.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from submarine_jupyter_server.threads import begun

RETRY_S = 0.5


class Controller:
    """The lock ``controller.lock`` of a data directory."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "controller.lock"
        self._fd: int | None = None

    async def acquire(self, taken: Callable[[], None]) -> None:
        """Wait until this server is the controller; ``taken`` is called once if another one is at first."""
        if await begun(self._try, "submarine controller lock"):
            return
        taken()
        while not await begun(self._try, "submarine controller lock"):  # noqa: ASYNC110 - nothing tells when another process lets go
            await asyncio.sleep(RETRY_S)

    def release(self) -> None:
        """Let another server take over."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _try(self) -> bool:
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        return True
