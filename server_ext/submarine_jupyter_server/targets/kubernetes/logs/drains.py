"""Those who wait until all that a replica has written until now is in its log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class Drains:
    """``since`` is when the newest of them came (monotonic s); it is true while anybody waits."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []
        self.since = 0.0

    def __bool__(self) -> bool:
        return bool(self._waiting)

    @contextmanager
    def one(self) -> Iterator[asyncio.Future[None]]:
        """Add one, whose future is done when it waits no more."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self.since = time.monotonic()
        try:
            yield future
        finally:
            self._waiting.remove(future)

    def present(self) -> list[asyncio.Future[None]]:
        """Return those that wait now: what is read from now on has all they wait for."""
        return list(self._waiting)

    def settle(self, those: Iterable[asyncio.Future[None]] | None = None) -> None:
        """Let those go on, or all."""
        for future in self._waiting if those is None else those:
            if not future.done():
                future.set_result(None)
