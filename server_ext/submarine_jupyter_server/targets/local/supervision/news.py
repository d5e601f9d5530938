"""Hear from the shims, through a FIFO, which attempt has news."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable


class News:
    """Calls ``heard`` with the id of each experiment that has news."""

    def __init__(self, heard: Callable[[str], None]) -> None:
        self._heard = heard
        self._fd = -1

    def listen(self, fd: int) -> None:
        """Read from ``fd`` from now on; below 0 there is nothing to hear."""
        self._fd = fd
        if fd >= 0:
            asyncio.get_running_loop().add_reader(fd, self._read)

    def close(self) -> None:
        """Hear no more."""
        if self._fd >= 0:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            for line in os.read(self._fd, 65536).decode(errors="replace").splitlines():
                self._heard(line.partition("/")[0])
