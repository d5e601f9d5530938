"""Watch logs grow: one poll for all who follow the same attempt of an experiment.

Files are polled because they may lie on a network file system, where notifications do not arrive.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar, TypeVarTuple, cast

from submarine_jupyter_server.logs.archive import LogArchive, ReplicaLog
from submarine_jupyter_server.logs.layout import unreadable

log = logging.getLogger(__name__)
FASTEST_S = 0.02
SLOWEST_S = 0.25
_AFTER_FAILURE_S = 5.0

_Result = TypeVar("_Result")
_Args = TypeVarTuple("_Args")


@dataclass(frozen=True, slots=True)
class Size:
    """How far the log of one replica goes (bytes), whether that is all, and whether nothing is missing."""

    end: int
    ended: bool
    whole: bool


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of all logs of an attempt at one moment; ``newest`` is the latest attempt, 0 before the first."""

    logs: Mapping[ReplicaLog, Size]
    newest: int


class Watch:
    """One attempt that is followed; ``version`` counts the changes."""

    def __init__(self, archive: LogArchive, experiment_id: str, attempt: int) -> None:
        self.archive = archive
        self._experiment_id = experiment_id
        self._attempt = attempt
        self._changed = asyncio.Event()
        self._shared: dict[str, tuple[Hashable, asyncio.Future[object]]] = {}
        self.followers = 0
        self.version = 0
        # Which poll was begun last, and which one brought its sizes: who begins one may be cancelled meanwhile.
        self._begun = self._brought = 0
        self._polling = asyncio.Lock()
        self.closed = False
        self.sizes = Sizes({}, 0)

    async def run(self) -> None:
        """Poll again and again, less often while nothing changes."""
        pause = FASTEST_S
        while True:
            version = self.version
            try:
                await self.poll()
            except Exception:
                log.exception("The logs of %s cannot be polled", self._experiment_id)
                await asyncio.sleep(_AFTER_FAILURE_S)
            pause = FASTEST_S if self.version > version else min(pause * 1.25, SLOWEST_S)
            await asyncio.sleep(pause)

    async def poll(self) -> None:
        """Read the sizes, or let a poll that somebody else begins from now on count, and wake the followers."""
        wanted = self._begun + 1
        async with self._polling:
            if self._brought >= wanted:
                return
            self._begun += 1
            sizes = await self.archive.run(_measure, self.archive, self._experiment_id, self._attempt)
            self._brought = self._begun
        if sizes != self.sizes:
            self.sizes = sizes
            self._wake()

    def close(self) -> None:
        """Send all followers away."""
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def changed(self, version: int, seconds: float) -> None:
        """Wait until there is more than at ``version``, at most ``seconds``."""
        if self.version > version:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            pass

    async def share(self, slot: str, key: Hashable, function: Callable[[*_Args], _Result], *args: *_Args) -> _Result:
        """Return ``function(*args)``, called in a thread once for all who ask for the same ``key``.

        Each slot remembers its newest result only: those who follow closely are at the same place.
        """
        known = self._shared.get(slot)
        if known is None or known[0] != key or _failed(known[1]):
            future = cast("asyncio.Future[object]", asyncio.ensure_future(self.archive.run(function, *args)))
            future.add_done_callback(_failed)
            known = (key, future)
            self._shared[slot] = known
        # One follower that leaves must not cancel what the others wait for.
        return cast("_Result", await asyncio.shield(known[1]))


class Growth:
    """The watches of all followed experiments; belongs to one event loop."""

    def __init__(self, archive: LogArchive) -> None:
        self.archive = archive
        self._watches: dict[tuple[str, int], tuple[Watch, asyncio.Task[None]]] = {}

    @asynccontextmanager
    async def watch(self, experiment_id: str, attempt: int) -> AsyncIterator[Watch]:
        """Watch an attempt, which need not exist yet; those who watch the same one share the watch."""
        key = (experiment_id, attempt)
        if key not in self._watches:
            watch = Watch(self.archive, experiment_id, attempt)
            self._watches[key] = (watch, asyncio.create_task(watch.run(), name=f"growth of {experiment_id}"))
        watch, task = self._watches[key]
        watch.followers += 1
        try:
            if watch.version == 0:
                await watch.poll()
            yield watch
        finally:
            watch.followers -= 1
            if watch.followers == 0 and self._watches.get(key, (None,))[0] is watch:
                del self._watches[key]
                task.cancel()

    async def close(self) -> None:
        """End all polls and send the followers away."""
        watches = list(self._watches.values())
        self._watches.clear()
        for watch, task in watches:
            watch.close()
            task.cancel()
        await asyncio.gather(*(task for _, task in watches), return_exceptions=True)


def _failed(future: asyncio.Future[object]) -> bool:
    """Return whether a future came to nothing; its error counts as taken note of then."""
    return future.done() and (future.cancelled() or future.exception() is not None)


def _measure(archive: LogArchive, experiment_id: str, attempt: int) -> Sizes:
    attempts = archive.attempts(experiment_id)
    sizes = {log: _size(log) for log in archive.replicas(experiment_id, attempt)}
    return Sizes(sizes, attempts[-1] if attempts else 0)


def _size(log: ReplicaLog) -> Size:
    try:
        snapshot = log.snapshot()
    except OSError as error:
        if not unreadable(error):
            raise
        # Nothing comes of it, and it is not whole.
        return Size(0, True, False)
    return Size(snapshot.end, snapshot.ended, not snapshot.gaps())
