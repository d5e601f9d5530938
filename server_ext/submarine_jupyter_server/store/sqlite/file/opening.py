"""Open the database file, whatever state it is in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine

from submarine_jupyter.errors import Unavailable
from submarine_jupyter_server.process.notices import Notices
from submarine_jupyter_server.store.sqlite import connection, failures
from submarine_jupyter_server.store.sqlite.schema import Schema

from . import backups, filesystem, recovery
from .ballast import Ballast
from .lock import OpenLock


@dataclass(frozen=True, slots=True)
class Opened:
    """A database that is ready to be used, and what there is to say about it."""

    path: Path
    lock: OpenLock
    engine: Engine
    tx: Connection
    ballast: Ballast
    notices: Notices
    rebuilt: bool
    read_only: bool
    backup_due: bool

    def close(self) -> None:
        """Give everything back."""
        self.tx.close()
        self.engine.dispose()
        self.lock.release()


def open_file(path: Path) -> Opened:
    """Create, restore or migrate the file as needed, and open it. Blocks; raises Unavailable, StorageFull."""
    filesystem.prepare(path)
    lock = OpenLock(path)
    try:
        return _open(path, lock)
    except BaseException as error:
        lock.release()
        explained = failures.explain(error, path)
        if explained is None or explained is error:
            raise
        raise explained from error


def _open(path: Path, lock: OpenLock) -> Opened:
    notices = Notices()
    repaired, rebuilt = recovery.repair(path) if lock.alone() else (None, False)
    if repaired is not None:
        notices.put("database", repaired)
    lock.share()
    found = recovery.migrate(path)
    if found not in (Schema.CURRENT, Schema.NEWER):
        raise Unavailable(
            f"{path} holds {found.value}, and another server has it open.",
            hint="Stop all servers that use this data directory, then start this one: it repairs the database.",
        )
    if found is Schema.NEWER:
        notices.put("newer", str(failures.newer(path)))
    if (kind := filesystem.network_kind(path)) is not None:
        notices.put(
            "network",
            f"The data directory {path.parent} is on a network file system ({kind}), where locks and disk writes can "
            "fail silently. Use one server at a time, better a data directory on a local disk.",
        )
    read_only = found is Schema.NEWER
    engine = connection.engine(path, read_only=read_only)
    return Opened(
        path=path,
        lock=lock,
        engine=engine,
        tx=engine.connect(),
        ballast=Ballast(path),
        notices=notices,
        rebuilt=rebuilt,
        read_only=read_only,
        backup_due=not read_only and not rebuilt and backups.due(path),
    )
