"""Whether the API server answers at all, asked once for all the streams of a cluster.

A watch on which nothing happens is silent for a minute (the API server sends a bookmark about that often), so silence
says little about a stream. Three things notice a dead one:

- packets that are swallowed: keep-alive of the stream's own socket, within 45 s, at no request (`transport.py`);
- a server, or a proxy before it, that hangs while its kernel still answers: this heartbeat, within 45 s. It asks
  ``/readyz`` when nothing was heard on any stream for ``QUIET_S``, and only while there is something to watch for: an
  idle server costs no requests;
- one stream that hangs while all else works, and hangs with nothing to watch for: the time-out of the stream itself.

When the server was away and is back, everyone who waits to try again is woken.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from submarine_jupyter_server.targets.kubernetes.api.cluster import ApiError, Unreachable

log = logging.getLogger(__name__)
QUIET_S = 15.0
ANSWER_S = 15.0
# How often to look whether to ask, and to ask while the server is away (s).
TICK_S = 3.0
# Over which time those who wait come back (s).
SPREAD_S = 1.0


class Answers(Protocol):
    """The part of a cluster that this needs."""

    async def text(self, path: str, *, timeout_s: float = 30.0) -> bytes:
        """Return the body of an answer. Raises ApiError, Unreachable."""


class ClusterHeartbeat:
    """Asks the API server of one cluster; ``watchful`` returns whether somebody waits for news (a live experiment).

    ``away`` says that it did not answer when asked last, or was not ready; ``returns`` counts how often it came back.
    """

    def __init__(self, cluster: Answers, *, watchful: Callable[[], bool] = lambda: True) -> None:
        self.away = False
        self.requests = 0
        self.returns = 0
        self._cluster = cluster
        self._watchful = watchful
        self._heard = time.monotonic()
        self._guarded: set[asyncio.Timeout] = set()
        self._resting = 0
        self._doubted = False
        self._back = asyncio.Event()

    def heard(self) -> None:
        """Note that something came from the server."""
        self._heard = time.monotonic()

    @contextlib.contextmanager
    def guard(self, scope: asyncio.Timeout) -> Iterator[None]:
        """Let ``scope`` expire as soon as the server is found not to answer."""
        self._guarded.add(scope)
        try:
            yield
        finally:
            self._guarded.discard(scope)

    async def rest(self, seconds: float, *, doubt: bool) -> None:
        """Sleep, or wake early when the server was away and is back; ``doubt`` has it asked whether it is there."""
        self._doubted = self._doubted or doubt
        self._resting += 1
        try:
            async with asyncio.timeout(seconds):
                await self._back.wait()
                await asyncio.sleep(random.uniform(0, SPREAD_S))  # noqa: S311 - jitter
        except TimeoutError:
            pass
        finally:
            self._resting -= 1

    async def run(self) -> None:
        """Ask when there is reason to, until cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            silent = time.monotonic() - self._heard >= QUIET_S
            waited_for = (self.away or self._doubted) and self._resting
            if waited_for or (silent and self._guarded and self._watchful()):
                self._doubted = False
                await self._ask()

    async def _ask(self) -> None:
        self.requests += 1
        away = False
        try:
            await self._cluster.text("/readyz", timeout_s=ANSWER_S)
        except ApiError as error:
            away = error.status >= 500
        except Unreachable as error:
            self._lost(error)
            return
        self.heard()
        if self.away and not away:
            log.info("The API server is back")
            # Who comes to rest from now on waits for the next time.
            self.returns += 1
            self._back.set()
            self._back = asyncio.Event()
        self.away = away

    def _lost(self, error: Unreachable) -> None:
        if not self.away:
            log.warning("The API server does not answer: %s", error)
        self.away = True
        now = asyncio.get_running_loop().time()
        for scope in self._guarded:
            if not scope.expired():
                scope.reschedule(now)
