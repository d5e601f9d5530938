"""One thread for the file work of all followers, which waits for the disk in place of the event loop.

Handing work to a thread costs more than most of the work: what is asked for meanwhile is done in one go.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar, TypeVarTuple

from submarine_jupyter_server.process.daemon_threads import DaemonPool

# Lines that come one by one from hundreds of replicas are written together, a hundred times a second.
_PAUSE_S = 0.01

_Result = TypeVar("_Result")
_Args = TypeVarTuple("_Args")
_Job = tuple["asyncio.Future[Any]", Callable[[], Any]]


class Disk:
    """Does what it is asked for in that order; belongs to one event loop."""

    def __init__(self) -> None:
        self._thread = DaemonPool(1, "submarine-pod-logs")
        self._jobs: list[_Job] = []
        self._task: asyncio.Task[None] | None = None

    def do(self, function: Callable[[*_Args], _Result], *args: *_Args) -> asyncio.Future[_Result]:
        """Call ``function`` in the thread, also if nobody awaits the result any more."""
        future: asyncio.Future[_Result] = asyncio.get_running_loop().create_future()
        # An error that nobody asks for any more is not worth a line in the server's log.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._jobs.append((future, lambda: function(*args)))
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="write pod logs")
        return future

    async def close(self) -> None:
        """Do what was asked for, and end the thread."""
        if self._task is not None:
            await self._task
        self._thread.shutdown(wait=False)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._jobs:
            jobs, self._jobs = self._jobs, []
            results = await loop.run_in_executor(self._thread, _carry_out, jobs)
            for (future, _), (result, error) in zip(jobs, results, strict=True):
                if future.cancelled():
                    continue
                if error is not None:
                    future.set_exception(error)
                else:
                    future.set_result(result)
            await asyncio.sleep(_PAUSE_S)
        self._task = None


class Inbox:
    """Chunks on their way to ``take``, which is called in the thread with all there are; belongs to one answer.

    ``failed`` is called on the event loop once ``take`` has raised something.
    """

    def __init__(
        self, disk: Disk, take: Callable[[bytes], None], most_bytes: int, failed: Callable[[], object]
    ) -> None:
        self._disk = disk
        self._take = take
        self._most_bytes = most_bytes
        self._failed = failed
        self._chunks: deque[bytes] = deque()
        self._put = self._taken = 0
        self._due = False
        self._failure: Exception | None = None
        self._asked: asyncio.Future[None] | None = None

    async def put(self, chunk: bytes) -> None:
        """Add a chunk; wait for the disk when there is too much already."""
        self._chunks.append(chunk)
        self._put += len(chunk)
        if not self._due:
            self._due = True
            self._asked = self._disk.do(self._empty)
            self._asked.add_done_callback(self._note_failure)
        if self._asked is not None and self._put - self._taken > self._most_bytes:
            await self._asked

    async def flush(self) -> None:
        """Wait until everything is taken. Raises what ``take`` raised."""
        if self._asked is not None:
            await self._asked

    def _note_failure(self, asked: asyncio.Future[None]) -> None:
        if not asked.cancelled() and asked.exception() is not None:
            self._failed()

    def _empty(self) -> None:
        # First: what is added from now on is asked for again.
        self._due = False
        chunks = []
        while self._chunks:
            chunks.append(self._chunks.popleft())
        if self._failure is not None:
            raise self._failure
        data = b"".join(chunks)
        try:
            self._take(data)
        except Exception as error:
            self._failure = error
            raise
        finally:
            self._taken += len(data)


def _carry_out(jobs: list[_Job]) -> list[tuple[Any, Exception | None]]:
    results: list[tuple[Any, Exception | None]] = []
    for _, job in jobs:
        try:
            results.append((job(), None))
        except Exception as error:  # noqa: BLE001 - who asked gets it
            results.append((None, error))
    return results
