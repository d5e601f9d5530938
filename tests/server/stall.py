"""Find what holds the event loop: every callback is timed, and the slow ones are named."""

from __future__ import annotations

import asyncio
import time
from asyncio.base_events import _format_handle  # type: ignore[attr-defined]
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

LIMIT_S = 0.25


@dataclass(frozen=True)
class Stall:
    """A callback that held the loop for ``seconds``."""

    seconds: float
    callback: str


@contextmanager
def watched_loop(limit_s: float = LIMIT_S) -> Iterator[list[Stall]]:
    """Time every callback of every asyncio loop; the list fills with those that ran longer than ``limit_s``."""
    stalls: list[Stall] = []
    original = asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        begin = time.perf_counter()
        original(handle)
        seconds = time.perf_counter() - begin
        if seconds > limit_s:
            stalls.append(Stall(seconds, _format_handle(handle)))

    asyncio.Handle._run = timed  # type: ignore[method-assign]
    try:
        yield stalls
    finally:
        asyncio.Handle._run = original  # type: ignore[method-assign]
