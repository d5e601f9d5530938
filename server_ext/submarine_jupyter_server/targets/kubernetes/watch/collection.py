"""What a reflector needs of a cluster, and all objects of a collection in pages.

https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from submarine_jupyter_server.targets.kubernetes.raw_json import Json

from .cache import metadata
from .decoder import LoopTurns

# Objects in a page: parsing more (0.5 MB with 5 KB each) would hold the event loop for longer than it should be.
PAGE = 100


class Api(Protocol):
    """The part of a cluster that a reflector needs."""

    async def call(self, method: str, path: str, *, params: Mapping[str, str] | None = None) -> Json:
        """Return the answer to a request. Raises ApiError, Unreachable."""

    def stream(
        self, path: str, *, params: Mapping[str, str], idle_s: float
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Return the chunks of an answer as they come. Raises ApiError, Unreachable."""


async def read_all(
    cluster: Api,
    path: str,
    selectors: Mapping[str, str],
    *,
    asked: Callable[[], None],
    take: Callable[[Json], object],
) -> str:
    """Give every object to ``take`` and return the resource version of the whole; ``asked`` is called per request.

    Raises ApiError (also when the pages expire in the middle, 410) and Unreachable.
    """
    params = {"limit": str(PAGE), **selectors}
    turns = LoopTurns()
    while True:
        asked()
        page = await cluster.call("GET", path, params=params)
        kind, api_version = str(page.get("kind")).removesuffix("List"), page.get("apiVersion")
        for item in page.get("items") or []:
            if isinstance(item, dict):
                # Items of a list do not say what they are.
                take({"kind": kind, "apiVersion": api_version, **item})
            await turns.give()
        found = metadata(page)
        if not found.get("continue"):
            return str(found.get("resourceVersion") or "")
        params["continue"] = str(found["continue"])
