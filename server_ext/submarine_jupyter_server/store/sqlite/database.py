"""The one object through which the server reads and writes its database: a `Database` in one file."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future, wait
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from submarine_jupyter.errors import Unavailable
from submarine_jupyter_server.process.daemon_threads import in_thread

from . import connection, failures
from .failures import Damaged
from .file import backups
from .file.opening import Opened, open_file
from .foreign import DataVersion
from .threads.job_threads import T
from .threads.readers import Readers
from .threads.writer import Writer

log = logging.getLogger(__name__)


class SqliteDatabase:
    """An open database: one thread that writes, two that read, all off the event loop."""

    def __init__(self, opened: Opened) -> None:
        """Start the threads; use ``open`` instead."""
        self.path = opened.path
        self.notices = opened.notices
        """What the user should be told about the file, and whatever its owner adds."""
        self.read_only = opened.read_only
        """The schema is newer than this code: every write raises ReadOnly. May become so while it is open."""
        self.rebuilt = opened.rebuilt
        """Rows may be missing that once were there: the file is new, or an older backup."""
        self.on_commit: Callable[[], None] | None = None
        """Called on the event loop after each commit of this server."""
        self._opened = opened
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._copying: Future[Path] | None = None
        self._writer: Writer | None = None
        if not opened.read_only:
            self._writer = Writer(opened, self._committed, self._outdated)
        self._readers = Readers(self.path, connection.engine(self.path, read_only=True), self._damaged)

    @classmethod
    async def open(cls, path: Path, *, timeout: float = 60.0) -> SqliteDatabase:
        """Open the database at ``path``: made if it is not there, restored if damaged, migrated if old.

        ``timeout`` is in seconds: a file system that hangs holds up nobody else. Raises Unavailable, StorageFull.
        """
        opening = in_thread(lambda: open_file(Path(path)), "submarine store opening")
        try:
            opened = await asyncio.wait_for(asyncio.wrap_future(opening), timeout)
        except BaseException as error:
            opening.add_done_callback(_close_late)
            if not isinstance(error, TimeoutError):
                raise
            raise Unavailable(
                f"The database {path} could not be opened within {timeout:g} s.",
                hint="Is its file system hanging? Choose a data directory on a local disk, or try again later.",
            ) from error
        database = cls(opened)
        if opened.backup_due:
            database._begin_backup().add_done_callback(_log_failure)
        return database

    async def write(self, run: Callable[[Connection], T]) -> T:
        """Run ``run`` in one write transaction and return its result once that is on disk.

        An exception of ``run`` undoes what it wrote and nothing else. It may be run a second time when the disk was
        full, and shares the transaction of others that wait: it must do nothing but work on its connection.
        Raises ReadOnly, Unavailable (locked for 5 s, damaged, not accessible), StorageFull.
        """
        self._check_open()
        if self._writer is None or self.read_only:
            raise failures.newer(self.path)
        return await self._writer.put(run)

    async def read(self, run: Callable[[Connection], T]) -> T:
        """Run ``run`` in one read transaction and return its result. Raises Unavailable."""
        self._check_open()
        try:
            return await self._readers.put(run)
        except DBAPIError as error:
            if self.read_only:
                raise failures.newer(self.path) from error
            raise

    async def backup(self) -> Path:
        """Copy the database into ``backups`` beside it and return the copy; the newest three are kept.

        Writing goes on meanwhile. Raises ReadOnly, Unavailable, StorageFull.
        """
        self._check_open()
        return await asyncio.wrap_future(self._begin_backup())

    def foreign_commits(self) -> DataVersion:
        """Return what finds out whether another server has committed."""
        return DataVersion(self.path)

    def keep(self) -> None:
        """Let no other server believe that nobody has the database open, whatever became of the lock file. Blocks.

        What is wrong with the files is a notice.
        """
        if self._closed:
            return
        if not self.path.exists():
            self.notices.put(
                "database gone",
                f"The database {self.path} was removed while it was in use: nothing can be stored. Put it back, or "
                "restart the Jupyter Server, which restores the newest backup.",
            )
            return
        self.notices.drop("database gone")
        if self._opened.lock.keep():
            self.notices.drop("lock gone")
        else:
            self.notices.put(
                "lock gone",
                f"The lock file of {self.path} was removed, and another server repairs the database meanwhile. Restart "
                "this Jupyter Server.",
            )

    async def close(self) -> None:
        """Finish what was begun and close the file."""
        if not self._closed:
            self._closed = True
            await asyncio.wrap_future(in_thread(self._shut, "submarine store closing"))

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("The database is closed: the server is stopping.")

    def _begin_backup(self) -> Future[Path]:
        if self._copying is None or self._copying.done():
            self._copying = in_thread(self._copy, "submarine store backup")
        return self._copying

    def _copy(self) -> Path:
        if self._writer is None:
            raise failures.newer(self.path)
        try:
            return backups.make(self.path, self._writer.raw())
        except (OSError, sqlite3.Error) as error:
            raise failures.explain(error, self.path) or error from error

    def _committed(self) -> None:
        # A loop that is closed has nobody left to tell.
        with contextlib.suppress(RuntimeError):
            if self.on_commit is not None:
                self._loop.call_soon_threadsafe(self.on_commit)

    def _outdated(self) -> None:
        if not self.read_only:
            self.read_only = True
            self.notices.put("newer", str(failures.newer(self.path)))

    def _damaged(self, damage: Damaged) -> None:
        if self._writer is not None:
            self._writer.condemn(damage)

    def _shut(self) -> None:
        if self._copying is not None:
            wait([self._copying], timeout=connection.BUSY_S)
        self._readers.close()
        if self._writer is not None:
            self._writer.close()
        self._opened.close()


def _close_late(opening: Future[Opened]) -> None:
    """Close a database that was opened when nobody waited for it any more."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def _log_failure(copying: Future[Path]) -> None:
    if not copying.cancelled() and (error := copying.exception()) is not None:
        log.warning("The database could not be backed up: %s", error)
