"""How many streams may be open: each is a connection to the API server and one to a kubelet.

Who gets none reads in turns: it asks now and then for what is new.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

# Beyond the streams, this many answers without an end of their own waiting are read at a time.
READERS = 16


class StreamTurns:
    """Gives out ``limit`` places for streams; those who are watched by somebody come first."""

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._urgent: deque[asyncio.Future[None]] = deque()
        self._patient: deque[asyncio.Future[None]] = deque()
        self._readers = asyncio.Semaphore(READERS)
        self.taken = 0

    @property
    def waiting(self) -> int:
        """Return how many stand in line."""
        return len(self._urgent) + len(self._patient)

    def take(self) -> bool:
        """Take a place if one is free."""
        if self._free == 0:
            return False
        self._free -= 1
        self.taken += 1
        return True

    def give_back(self) -> None:
        """Give a place back, and wake who is first in line."""
        self._free += 1
        self.taken -= 1
        for line in (self._urgent, self._patient):
            for future in line:
                if not future.done():
                    future.set_result(None)
                    return

    @asynccontextmanager
    async def in_line(self, *, urgent: bool) -> AsyncIterator[asyncio.Future[None]]:
        """Stand in line; the future is done when it may be worth trying to take a place."""
        line = self._urgent if urgent else self._patient
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.append(future)
        try:
            yield future
        finally:
            line.remove(future)

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[None]:
        """Wait for a turn to read an answer that ends by itself."""
        async with self._readers:
            yield
