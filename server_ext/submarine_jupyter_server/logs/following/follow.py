"""Follow the logs of an experiment as events, from any position, for as long as lines can come.

Every follower reads the files at its own position: there is no queue, so a slow one costs nothing. Events:

    log      {podName, replica, attempt, offset, lines}: whole lines, the first one at ``offset`` (bytes)
    partial  {podName, replica, attempt, offset, text}: the unfinished last line as it looks now (a progress
             bar); the position stays, and the line comes again in a ``log`` when it is whole
    gap      {podName, replica, attempt, from, to}: the bytes between are lost; when ``to`` is less than
             ``from``, the log is shorter than the position that was asked for
    ping     {}: nothing has happened for a while
    end      {complete}: nothing will come; ``complete`` when every byte of the logs was kept
"""

from __future__ import annotations

import inspect
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import aclosing

from submarine_jupyter_server.logs.archive import LogArchive
from submarine_jupyter_server.logs.following.attempt_reader import AttemptReader, LogEvent
from submarine_jupyter_server.logs.following.growth import Growth, Watch
from submarine_jupyter_server.logs.position import Position

HEARTBEAT_S = 15.0
# How long a log may stay without its end mark after its experiment has ended: who wrote it was killed.
PATIENCE_S = 2.0
_FASTEST_S = 0.05
_SLOWEST_S = 1.0

Finished = Callable[[], bool | Awaitable[bool]]


async def follow(
    growth: Growth,
    experiment_id: str,
    *,
    finished: Finished,
    replicas: Collection[str] | None = None,
    position: Position | None = None,
    attempt: int | None = None,
    heartbeat_s: float = HEARTBEAT_S,
) -> AsyncGenerator[LogEvent, None]:
    """Yield events from ``position``, or from the start of ``attempt`` (None: the latest).

    New replicas are picked up, and so are new attempts unless ``attempt`` is given. ``replicas`` are the
    names wanted (None: all). ``finished`` returns whether the experiment has ended; it is asked about once a
    second. Close the iterator (``aclosing``) when leaving early.
    """
    number = await growth.archive.run(_first, growth.archive, experiment_id, position, attempt)
    complete = True
    while True:
        async with growth.watch(experiment_id, number) as watch:
            follower = AttemptReader(watch, number, replicas, position)
            async with aclosing(_attempt(watch, follower, finished, heartbeat_s)) as events:
                async for event in events:
                    yield event
            complete = complete and follower.complete
        if watch.closed:
            return
        if attempt is not None or watch.sizes.newest <= number:
            yield LogEvent(follower.position, "end", {"complete": complete})
            return
        number = await growth.archive.run(_next, growth.archive, experiment_id, number)


async def _attempt(
    watch: Watch, follower: AttemptReader, finished: Finished, heartbeat_s: float
) -> AsyncGenerator[LogEvent, None]:
    """Yield the events of one attempt until nothing can follow in it."""
    spoke_at = time.monotonic()
    ending = _Ending(watch, follower, finished)
    while True:
        version = watch.version
        async for event in follower.read():
            yield event
            spoke_at = time.monotonic()
        if watch.closed:
            return
        if await ending.reached():
            break
        async for event in follower.partials():
            yield event
            spoke_at = time.monotonic()
        if time.monotonic() - spoke_at >= heartbeat_s:
            yield LogEvent(follower.position, "ping", {})
            spoke_at = time.monotonic()
        await watch.changed(version, min(max(ending.quiet_s / 2, _FASTEST_S), _SLOWEST_S, heartbeat_s))
    async for event in follower.read(final=True):
        yield event


class _Ending:
    """Decides when nothing can follow any more in an attempt."""

    def __init__(self, watch: Watch, follower: AttemptReader, finished: Finished) -> None:
        self._watch = watch
        self._follower = follower
        self._finished = finished
        self._version = -1
        self._changed = 0.0
        self._finished_since: float | None = None

    @property
    def quiet_s(self) -> float:
        """For how long the logs have not changed (s)."""
        if self._version != self._watch.version:
            self._version = self._watch.version
            self._changed = time.monotonic()
        return time.monotonic() - self._changed

    async def reached(self) -> bool:
        """Return whether everything was read, or an end mark that is missing is not to be expected any more."""
        if not self._follower.drained and self.quiet_s < PATIENCE_S:
            return False
        if not await self._over():
            return False
        if not self._follower.drained:
            self._finished_since = self._finished_since or time.monotonic()
            if time.monotonic() - self._finished_since < PATIENCE_S:
                return False
        # A replica may have come and gone since the last look.
        version = self._watch.version
        await self._watch.poll()
        return self._watch.version == version

    async def _over(self) -> bool:
        if self._watch.sizes.newest > self._follower.attempt:
            return True
        answer = self._finished()
        return await answer if inspect.isawaitable(answer) else answer


def _first(archive: LogArchive, experiment_id: str, position: Position | None, attempt: int | None) -> int:
    """Return the attempt to begin with, 0 when there is none yet."""
    attempts = archive.attempts(experiment_id)
    if attempt is not None:
        return attempt
    later = [number for number in attempts if position and number >= position.attempt]
    return min(later) if later else max(attempts, default=0)


def _next(archive: LogArchive, experiment_id: str, number: int) -> int:
    return min(later for later in archive.attempts(experiment_id) if later > number)
