"""The copy of one collection of the cluster, kept by one stream for as long as the server runs.

It begins with all objects in the stream itself (``sendInitialEvents``, WatchList), or in pages where the API server
does not do that, and goes on from the last version it saw. Whatever happens, it tries again: after a cut from where it
was, after an expired version (410, as a status or in an event) from all objects, of which only the differences are
told. https://kubernetes.io/docs/reference/using-api/api-concepts/#streaming-lists

What is guaranteed. A stream whose packets are swallowed is noticed within 45 s (keep-alive of its socket), one of a
server that hangs as well while its `ClusterHeartbeat` watches, and any silent stream within ``IDLE_S``: the API server
sends a bookmark every minute (measured: 58 to 61 s), so a living one is hardly ever that silent. Not so for core
events, which have no bookmarks at all: there it is the longest of ``LIFE_S`` more, and the last version has mostly
expired by then. Without changes a stream costs one request per ``LIFE_S``, one of events two.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, nullcontext
from types import MappingProxyType
from typing import Generic, TypeVar

from submarine_jupyter.backoff import Backoff
from submarine_jupyter_server.targets.kubernetes.api.cluster import ApiError, Unreachable
from submarine_jupyter_server.targets.kubernetes.raw_json import Json

from .cache import CollectionCache, metadata
from .cluster_heartbeat import ClusterHeartbeat
from .collection import Api, read_all
from .decoder import BrokenStream, events
from .health import Health, StreamRecord, error_of, expired, unsupported

__all__ = ["Api", "Health", "Reflector"]
log = logging.getLogger(__name__)
V = TypeVar("V")
# How long the API server lets a stream be (s); spread, for many begin together.
LIFE_S = (240, 360)
# The longest silence of a stream (s): bookmarks come every 60, and a busy API server leaves one out.
IDLE_S = 135.0
# For a stream to begin.
ANSWER_S = 30.0
# The longest time without a new object before the end of the initial state.
INITIAL_S = 20.0
# A stream that lived so long has worked.
LIVED_S = 10.0
_END = "k8s.io/initial-events-end"


class _NoInitialState(Exception):
    """The API server does not begin a stream with all objects."""


class Reflector(Generic[V]):
    """Keeps ``cache``, the views by name of the objects at ``path`` that match the selectors.

    ``project`` makes a view of an object and raises ValueError, LookupError, TypeError or AttributeError for one that
    it cannot read. ``changed(name, old, new)`` is called on the loop for each difference, in order; None: none there.
    """

    def __init__(
        self,
        cluster: Api,
        path: str,
        *,
        project: Callable[[Json], V],
        changed: Callable[[str, V | None, V | None], None],
        labels: str | None = None,
        fields: str | None = None,
        name: str,
        heartbeat: ClusterHeartbeat | None = None,
    ) -> None:
        self._cluster = cluster
        self._path = path
        self._name = name
        self._selectors = {key: value for key, value in (("labelSelector", labels), ("fieldSelector", fields)) if value}
        self._heartbeat = heartbeat
        self._cache = CollectionCache(name, project, changed)
        self.cache: Mapping[str, V] = MappingProxyType(self._cache.views)
        self._backoff = Backoff()
        self._stale = False
        self._returns = 0
        self._synced = asyncio.Event()
        self._answered = asyncio.Event()
        self._pages = False
        self._unfinished = 0
        self._progress = False
        self._bookmarks: bool | None = None
        self._opened: float | None = None
        self._record = StreamRecord(name, path)

    @property
    def synced(self) -> bool:
        """Whether all objects were known once."""
        return self._synced.is_set()

    @property
    def current(self) -> bool:
        """Whether all objects are known as they are now, but for those that are quarantined."""
        return self.synced and self._cache.complete and self._record.trouble is None

    @property
    def health(self) -> Health:
        """How it is now."""
        return self._record.of(synced=self.synced, quarantined=self._cache.quarantined)

    async def wait_synced(self) -> None:
        """Wait until all objects are known."""
        await self._synced.wait()

    async def wait_answered(self) -> None:
        """Wait until all objects are known, or it is known why not."""
        await self._answered.wait()

    def merge(self, item: Json) -> None:
        """Take the answer to our own POST or PATCH into the cache, unless the stream was there already."""
        self._cache.merge(item)

    def forget(self, name: str, uid: str) -> None:
        """Take an object out that the cluster says it does not have."""
        self._cache.forget(name, uid)

    async def run(self) -> None:
        """Follow the collection until cancelled."""
        while True:
            self._opened = None
            asked_s: float | None = None
            doubt = False
            try:
                await self._follow()
            except ApiError as error:
                asked_s, doubt = error.retry_after, error.status >= 500
                first = expired(error) and not self._backoff.failures
                if expired(error):
                    self._cache.version = None
                    if not self._stale:
                        self._backoff.worked()
                    self._stale = True
                if not first:  # once, it is how things go
                    self._in_trouble(error)
            except Unreachable as error:
                doubt = not self._only_silent()
                if doubt:
                    self._in_trouble(error)
            except BrokenStream as error:
                self._cache.version = None
                self._in_trouble(error)
            except Exception as error:
                log.exception("%s: it is tried again", self._name)
                self._in_trouble(error)
            else:
                if self._lived():
                    self._worked()
                    continue
            await self._rest(asked_s, doubt)

    async def _rest(self, asked_s: float | None, doubt: bool) -> None:
        if self._lived():
            self._worked()
        if self._heartbeat is not None and self._heartbeat.returns > self._returns:
            # What it says in its first seconds, 503 and then 410, is no reason for the long waits of the outage.
            self._returns = self._heartbeat.returns
            self._backoff.worked()
        pause = self._backoff.failed(asked_s)
        if self._heartbeat is None or asked_s is not None:
            await asyncio.sleep(pause)
        else:
            await self._heartbeat.rest(pause, doubt=doubt)

    def _worked(self) -> None:
        self._backoff.worked()
        self._stale = False
        self._record.worked()

    def _only_silent(self) -> bool:
        """Return whether a stream broke off for its silence in a collection without bookmarks; that happens once."""
        last = self._record.last_event
        if self._bookmarks is None and last and time.monotonic() - last > 0.9 * IDLE_S:
            self._bookmarks = False
            return True
        return False

    def _lived(self) -> bool:
        return self._opened is not None and time.monotonic() - self._opened >= LIVED_S

    async def _follow(self) -> None:
        """Follow one stream to its clean end, after reading all objects if need be."""
        if self._cache.version is None:
            if not self._pages:
                try:
                    await self._stream(None)
                    return
                except (ApiError, _NoInitialState) as error:
                    if self._cache.complete or (isinstance(error, ApiError) and not unsupported(error)):
                        raise
                    log.info("%s: read in pages, for the API server does not stream them: %s", self._name, error)
            self._cache.begin()
            take, asked = self._cache.put, self._record.asked
            self._ended(await read_all(self._cluster, self._path, self._selectors, take=take, asked=asked))
            # Only now: what looked like an old server may have been one that hung.
            self._pages = True
        await self._stream(self._cache.version)

    async def _stream(self, version: str | None) -> None:
        if version is None:
            start = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
            self._cache.begin()
        else:
            start = {"resourceVersion": version}
        life = str(random.randint(*LIFE_S))  # noqa: S311 - spread
        params = {"watch": "1", "allowWatchBookmarks": "true", "timeoutSeconds": life, **start, **self._selectors}
        self._record.streams += 1
        self._record.asked()
        try:
            async with asyncio.timeout(ANSWER_S) as scope:
                with self._heartbeat.guard(scope) if self._heartbeat else nullcontext():
                    await self._read(params, scope)
        except TimeoutError:
            away = self._heartbeat is not None and self._heartbeat.away
            if away or self._opened is None or self._cache.complete:
                raise Unreachable("the API server does not answer") from None
            raise _NoInitialState(f"nothing new and no end for {INITIAL_S:g} s") from None
        if not self._cache.complete:
            self._unfinished += 1
            if self._unfinished > 1:
                raise _NoInitialState("the stream ends without the end of the initial state")

    async def _read(self, params: Mapping[str, str], scope: asyncio.Timeout) -> None:
        idle_s = LIFE_S[1] + IDLE_S if self._bookmarks is False else IDLE_S
        async with self._cluster.stream(self._path, params=params, idle_s=idle_s) as chunks:
            self._opened = time.monotonic()
            self._heard()
            self._progress = True
            if self._cache.complete:
                self._works(scope)
            async with aclosing(self._heeded(chunks, scope)) as heeded, aclosing(events(heeded)) as found:
                async for kind, item in found:
                    self._take(kind, item, scope)

    async def _heeded(self, chunks: AsyncIterator[bytes], scope: asyncio.Timeout) -> AsyncGenerator[bytes, None]:
        """Pass chunks on; an initial state that makes progress gets more time."""
        loop = asyncio.get_running_loop()
        if not self._cache.complete:
            scope.reschedule(loop.time() + INITIAL_S)
        async for chunk in chunks:
            self._heard()
            yield chunk
            if self._progress and not self._cache.complete:
                scope.reschedule(loop.time() + INITIAL_S)
                self._progress = False

    def _take(self, kind: str, item: Json, scope: asyncio.Timeout) -> None:
        if kind in ("ADDED", "MODIFIED"):
            if self._cache.put(item):
                self._progress = True
        elif kind == "DELETED":
            self._cache.drop(item)
        elif kind == "BOOKMARK":
            found = metadata(item)
            version = str(found.get("resourceVersion") or "")
            if self._cache.complete:
                self._bookmarks = True
                self._cache.passed(version)
            elif (found.get("annotations") or {}).get(_END) == "true":
                self._ended(version)
                self._works(scope)
            else:
                # A server that knows how to say the end says nothing of the kind before it.
                raise _NoInitialState("a bookmark comes before the end of the initial state")
        elif kind == "ERROR":
            raise error_of(item)

    def _ended(self, version: str) -> None:
        self._heard()
        if not version:
            raise BrokenStream("all objects without their resource version")
        self._cache.end(version)
        self._unfinished = 0
        self._synced.set()
        self._answered.set()

    def _heard(self) -> None:
        self._record.last_event = time.monotonic()
        if self._heartbeat is not None:
            self._heartbeat.heard()

    def _works(self, scope: asyncio.Timeout) -> None:
        scope.reschedule(None)
        self._record.trouble = None

    def _in_trouble(self, error: Exception) -> None:
        self._record.in_trouble(error)
        self._answered.set()
