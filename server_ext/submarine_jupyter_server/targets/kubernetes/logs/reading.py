"""Read one answer of ``pods/log`` after the other into the tail of a replica's log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from typing import Protocol

from submarine_jupyter_server.targets.kubernetes.api.errors import ApiError

from .disk import Disk, Inbox
from .next_step import Step, Way
from .sources import LogSource
from .tail import Noise, Tail
from .turns import StreamTurns

# Programs that write nothing for hours are normal. This long a silence has the log asked for again, with a new
# connection: kubelets before 1.29 could stop following at a rotation.
IDLE_S = 300.0
_READ_IDLE_S = 30.0
# A stream that lasted so long was a good one, whatever ended it; if it brought something, this suffices.
_GOOD_S = 10.0
_FAIR_S = 0.5
# A stream that ended so long before its container did was ended by something else.
LATE_S = 10.0
_MOST_BYTES = 4 * 1024 * 1024


class LogApi(Protocol):
    """The part of a cluster that logs are read with."""

    def stream(
        self, path: str, *, params: Mapping[str, str], idle_s: float
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Open an answer; see Cluster."""


@dataclass(slots=True)
class Shared:
    """What all followers of a cluster have in common."""

    cluster: LogApi
    disk: Disk
    turns: StreamTurns
    eager: bool
    reconnects: int = 0
    gaps: int = 0

    def count_gap(self) -> None:
        """Count something that was lost; only the thread of the disk calls it."""
        self.gaps += 1


class Reader:
    """Reads for one replica.

    ``to_end`` is the source whose log was read to its end, if nothing was read since. ``current_at`` is when all that
    was written until then was read, ``heard_at`` when something came last (monotonic s).
    """

    def __init__(self, shared: Shared, tail: Tail) -> None:
        self._shared = shared
        self._tail = tail
        self._followed: LogSource | None = None
        self._opened_at: float | None = None
        self._streaming = False
        self.to_end: LogSource | None = None
        self._to_end_at = 0.0
        self.current_at = self.heard_at = -1e9

    @property
    def streaming(self) -> bool:
        """Return whether a stream is open and fits to the log."""
        return self._streaming and self._tail.attached

    @property
    def worked(self) -> bool:
        """Return whether the last answer lasted, or did so for a moment and brought something."""
        lasted_s = 0.0 if self._opened_at is None else time.monotonic() - self._opened_at
        return lasted_s >= _GOOD_S or (lasted_s >= _FAIR_S and self._tail.news > 0)

    async def read(self, step: Step, *, follow: bool, trusted: bool) -> bool:
        """Read to the end of the answer; return whether there was anything new.

        Raises ApiError, Unreachable, Unaligned, Noise, OSError; what came until then is in the log.
        """
        self._opened_at = None
        asked_at = time.monotonic()
        since = await self._shared.disk.do(self._prepare, trusted)
        path = f"/api/v1/namespaces/{step.pod.namespace}/pods/{step.pod.name}/log"
        params = _params(step, since, follow=follow)
        idle_s = IDLE_S if follow else _READ_IDLE_S
        before, self.to_end = self.to_end, None
        try:
            async with self._shared.cluster.stream(path, params=params, idle_s=idle_s) as chunks:
                self._begins(step, follow=follow)
                await self._take(chunks)
            news = await self._shared.disk.do(self._tail.finish)
        except (ApiError, Noise):
            # Containers are removed soon after a pod's end: to be told so says nothing against what was read.
            self.to_end = None if self._tail.news else before
            raise
        finally:
            self._streaming = False
        if follow or step.way is not Way.RUNNING:
            self.to_end, self._to_end_at = step.source, time.monotonic()
        if not follow:
            self.current_at = asked_at
        return news

    async def _take(self, chunks: AsyncIterator[bytes]) -> None:
        """Take an answer to its end, or until the tail has raised something."""
        loop = asyncio.get_running_loop()

        def stop() -> None:
            with suppress(RuntimeError):  # it is over already
                limit.reschedule(loop.time())

        inbox = Inbox(self._shared.disk, self._tail.feed, _MOST_BYTES, stop)
        with suppress(TimeoutError):
            async with asyncio.timeout(None) as limit:
                async for chunk in chunks:
                    self.heard_at = loop.time()
                    await inbox.put(chunk)
        await inbox.flush()

    def know_end(self) -> None:
        """Record that the present run is known to have ended, which has to be news for ``to_end`` to count."""
        if self.to_end is not None and time.monotonic() - self._to_end_at > LATE_S:
            self.to_end = None

    def _prepare(self, trusted: bool) -> str | None:
        self._tail.listen(trusted=trusted)
        return self._tail.since()

    def _begins(self, step: Step, *, follow: bool) -> None:
        self._opened_at = time.monotonic()
        self._streaming = follow
        if follow:
            self._shared.reconnects += self._followed == step.source
            self._followed = step.source


def _params(step: Step, since: str | None, *, follow: bool) -> dict[str, str]:
    params = {"container": step.pod.container.name, "timestamps": "true"}
    if follow:
        params["follow"] = "true"
    if step.way is Way.PREVIOUS:
        params["previous"] = "true"
    if since is not None:
        params["sinceTime"] = since
    return params
