"""The server on which functions run, where nobody names another one: that of this kernel."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from submarine_jupyter.client.client import SubmarineClient


@cache
def own_client() -> SubmarineClient:
    """Return the client of this kernel's server, found once. Raises ServerNotFound."""
    from submarine_jupyter.discovery.connection import connect

    return connect()


def forget() -> None:
    """Find the server anew for the next call: one that was restarted has another address."""
    own_client.cache_clear()


@cache
def runs_here(client: SubmarineClient, target: str | None) -> bool:
    """Return whether replicas run on this machine; each server is asked once."""
    from submarine_jupyter.client import place

    return place.runs_here(client, target)
