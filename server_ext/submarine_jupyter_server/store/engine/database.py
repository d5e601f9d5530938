"""What the server needs of the engine under its tables: ``sqlite`` is the one that there is.

Queries and tables rely on this of an engine, beyond the SQL of ``dialect``: write transactions happen as if one after
the other, so that what one of them has read still holds when it writes; the numbers of events become visible in their
order; texts compare by code points.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from submarine_jupyter_server.process.notices import Notices

T = TypeVar("T")


class ForeignCommits(Protocol):
    """Finds out whether somebody else has changed the database; belongs to one thread, and blocks it."""

    def happened(self) -> bool:
        """Return whether another connection, of whatever server, has committed since the last call."""

    def close(self) -> None:
        """Hold nothing open until the next call of ``happened``."""


class Database(Protocol):
    """An open database; its coroutines belong to the event loop that opened it."""

    notices: Notices
    """What the user should be told about it, and whatever its owner adds."""
    read_only: bool
    """The schema is newer than this code: every write raises ReadOnly. May become so while it is open."""
    on_commit: Callable[[], None] | None
    """Called on the event loop after each commit of this server."""

    async def write(self, run: Callable[[Connection], T]) -> T:
        """Run ``run`` in one write transaction and return its result once that is on disk.

        An exception of ``run`` undoes what it wrote and nothing else, and what was remembered (``memory``) is forgotten
        with it. It may be run a second time, and shares the transaction of others that wait: it must do nothing but
        work on its connection. Raises ReadOnly, Unavailable, StorageFull.
        """

    async def read(self, run: Callable[[Connection], T]) -> T:
        """Run ``run`` in one read transaction, which sees one state throughout; return its result.

        Raises Unavailable.
        """

    async def backup(self) -> Path:
        """Copy the database while it is written, and return the copy. Raises ReadOnly, Unavailable, StorageFull."""

    def keep(self) -> None:
        """Make sure that the database stays this server's to use; what is wrong with it is a notice. Blocks."""

    def foreign_commits(self) -> ForeignCommits:
        """Return what finds out whether another server has committed."""

    async def close(self) -> None:
        """Finish what was begun and let the database go."""
