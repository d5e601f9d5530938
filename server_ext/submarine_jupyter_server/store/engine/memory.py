"""What a writer remembers from one transaction to the next, so that it need not be read again.

It lives beside the connection. Whoever undoes what was written lets it be forgotten: it was true of that.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

_KEY = "memory"


def memory(tx: Connection) -> dict[Any, Any]:
    """Return what is remembered."""
    found: dict[Any, Any] = tx.info.setdefault(_KEY, {})
    return found


def forget(tx: Connection) -> None:
    """Remember nothing: a transaction, or a part of one, was undone."""
    tx.info.pop(_KEY, None)
