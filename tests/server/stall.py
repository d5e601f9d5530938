"""Find what holds the event loop: every callback is timed, and those that block are named.

A busy machine also stops the loop, without any fault of the callback that happens to run. Therefore a thread that does
nothing but sleep measures how late it is woken, and that much is not counted; what a callback spends on the processor
always is (a C function that keeps the GIL makes the sleeper late too).
"""

from __future__ import annotations

import asyncio
import threading
import time
from asyncio.base_events import _format_handle  # type: ignore[attr-defined]
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

LIMIT_S = 0.25
TICK_S = 0.01


@dataclass(frozen=True)
class Stall:
    """A callback that held the loop for ``seconds``."""

    seconds: float
    callback: str


class Sleeper(threading.Thread):
    """Sums up how late it is woken, because others have the processor or the GIL."""

    def __init__(self) -> None:
        super().__init__(daemon=True, name="stall sleeper")
        self._stopped = False
        self._late = 0.0
        self._asleep = time.perf_counter()

    def run(self) -> None:
        while not self._stopped:
            time.sleep(TICK_S)
            now = time.perf_counter()
            self._late += max(now - self._asleep - TICK_S, 0.0)
            self._asleep = now

    def late(self) -> float:
        """Return the seconds it was late so far, now included."""
        return self._late + max(time.perf_counter() - self._asleep - TICK_S, 0.0)

    def stop(self) -> None:
        self._stopped = True
        self.join()


@contextmanager
def watched_loop(limit_s: float = LIMIT_S) -> Iterator[list[Stall]]:
    """Time every callback of every asyncio loop; the list fills with those that held it for ``limit_s``."""
    stalls: list[Stall] = []
    original = asyncio.Handle._run
    sleeper = Sleeper()

    def timed(handle: asyncio.Handle) -> None:
        late, cpu, begin = sleeper.late(), time.thread_time(), time.perf_counter()
        original(handle)
        seconds = time.perf_counter() - begin
        if seconds > limit_s:
            held = max(time.thread_time() - cpu, seconds - (sleeper.late() - late))
            if held > limit_s:
                stalls.append(Stall(held, _format_handle(handle)))

    sleeper.start()
    asyncio.Handle._run = timed  # type: ignore[method-assign,assignment]
    try:
        yield stalls
    finally:
        asyncio.Handle._run = original  # type: ignore[method-assign]
        sleeper.stop()
