"""Refuse what makes the database grow while the disk is full."""

from __future__ import annotations

from sqlalchemy import Connection

from submarine_jupyter.errors import StorageFull

_FULL = "disk_full"


def mark(tx: Connection, full: bool) -> None:
    """Note on the connection whether the database lives on the ballast's space."""
    tx.info[_FULL] = full


def require_space(tx: Connection) -> None:
    """Refuse what makes the database grow while the disk is full. Raises StorageFull.

    What is left is for recording how that which runs ends.
    """
    if tx.info.get(_FULL):
        raise StorageFull(
            "The disk that holds the database is full: nothing new is stored.",
            hint="Free some space in the data directory and try again; running experiments go on.",
        )
