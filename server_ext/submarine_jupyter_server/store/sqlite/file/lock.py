"""Which servers have the database open."""

from __future__ import annotations

import os
import time
from pathlib import Path

from submarine_jupyter.errors import Unavailable
from submarine_jupyter.files import file_locks
from submarine_jupyter_server.store.sqlite.connection import BUSY_S


class OpenLock:
    """A lock on a file beside the database, held shared by every server that has it open.

    Whoever gets it exclusively is alone, and may replace the database file. The kernel frees it with the process.
    """

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + ".lock")
        self._descriptor = self._opened()

    def alone(self) -> bool:
        """Try to lock out every other server; False if there is one."""
        return self._try()

    def share(self) -> None:
        """Lock it together with the other servers, once none of them is alone with it. Raises Unavailable."""
        deadline = time.monotonic() + BUSY_S
        while not self._try(shared=True):
            if time.monotonic() > deadline:
                raise Unavailable(
                    "Another server is repairing or migrating the database.", hint="Try again when it has started."
                )
            time.sleep(0.02)

    def keep(self) -> bool:
        """Share the lock anew where its file was removed; False while another server is alone with the database."""
        if file_locks.is_at(self._descriptor, self._path):
            return True
        before, self._descriptor = self._descriptor, self._opened()
        if not self._try(shared=True):
            os.close(self._descriptor)
            self._descriptor = before
            return False
        os.close(before)
        return True

    def release(self) -> None:
        """Let go; the file stays."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _opened(self) -> int:
        return os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)

    def _try(self, *, shared: bool = False) -> bool:
        try:
            return file_locks.try_lock(self._descriptor, shared=shared)
        except OSError as error:
            raise Unavailable(
                f"{self._path} cannot be locked: {error.strerror}.",
                hint="This file system cannot hold a database: choose a data directory on another one.",
            ) from error
