"""What concerns many experiments at once: groups counted, and the end of all that fit the filters of a list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import Connection

from submarine_jupyter_server.control.delivery import Outbox
from submarine_jupyter_server.control.lifecycle import report_deleted
from submarine_jupyter_server.services import access, ending
from submarine_jupyter_server.services.principal import Principal
from submarine_jupyter_server.store.engine.database import Database
from submarine_jupyter_server.store.experiments import Query
from submarine_jupyter_server.store.lists.grouped import Kin, grouped
from submarine_jupyter_server.store.rows import ListRow
from submarine_jupyter_server.wire.answers.groups import Chosen

# So many experiments are ended in one transaction.
_AT_ONCE = 200
# While experiments are ended, others may be accepted that fit, too.
_MOST_PASSES = 10


class Groups:
    """Experiments by group, and many of them at once."""

    def __init__(self, db: Database, outbox: Outbox) -> None:
        self._db = db
        self._outbox = outbox

    async def count(self, principal: Principal, query: Query) -> dict[str, tuple[int | None, list[Kin]]]:
        """Return the groups, the one with the newest member first, with their members that fit ``query`` counted."""

        def read(tx: Connection) -> dict[str, tuple[int | None, list[Kin]]]:
            narrow = access.narrowed(principal, query)
            return {} if narrow is None else grouped(tx, narrow)

        return await self._db.read(read)

    async def stop(self, principal: Principal, query: Query, *, dry_run: bool = False) -> Chosen:
        """End all experiments that fit, those that wait before those that run; their records stay.

        They are answered once the orders are stored; what becomes of each is in its own record.
        """

        def stop(tx: Connection, row: ListRow) -> bool:
            return ending.stop(tx, row) is not None

        return await self._all(principal, query, _lives, None if dry_run else stop)

    async def delete(self, principal: Principal, query: Query, *, purge: bool = False, dry_run: bool = False) -> Chosen:
        """End all experiments that fit and take them out of every list; ``purge`` removes their logs and secrets."""

        def delete(tx: Connection, row: ListRow) -> bool:
            ordered = ending.delete(tx, row, purge=purge)
            if ordered is not None:
                report_deleted(tx, ordered[1])
            return ordered is not None

        return await self._all(principal, query, lambda row: True, None if dry_run else delete)

    async def _all(
        self,
        principal: Principal,
        query: Query,
        concerns: Callable[[ListRow], bool],
        act: Callable[[Connection, ListRow], bool] | None,
    ) -> Chosen:
        ids: list[str] = []
        for _ in range(_MOST_PASSES):
            found = await self._pass(principal, query, concerns, act)
            ids += found
            if act is None or not found:
                break
        return Chosen(ids, act is None)

    async def _pass(
        self,
        principal: Principal,
        query: Query,
        concerns: Callable[[ListRow], bool],
        act: Callable[[Connection, ListRow], bool] | None,
    ) -> list[str]:
        ids: list[str] = []
        cursor: str | None = None
        while True:

            def some(tx: Connection, cursor: str | None = cursor) -> tuple[list[str], str | None]:
                page = access.page(tx, principal, replace(query, limit=_AT_ONCE, cursor=cursor))
                rows = [row for row in page.rows if concerns(row)]
                return [row.id for row in rows if act is None or act(tx, row)], page.next_cursor

            done, cursor = await (self._db.read(some) if act is None else self._db.write(some))
            ids += done
            if act is not None and done:
                self._outbox.wake()
            if cursor is None:
                return ids


def _lives(row: ListRow) -> bool:
    return row.finished is None and row.stop_requested is None
