"""Threads that work through a queue of jobs, and give the results back to the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from sqlalchemy import Connection

from submarine_jupyter_server.store.sqlite.connection import BUSY_S

T = TypeVar("T")
# Who waited for a result goes on at once, all of them in one turn of the event loop: so many leave others their turn.
_TURN = 8


class Job:
    """One function to run in a transaction, and where its result goes.

    ``settled``: what became of it is on its way to the event loop. That is for the thread to know: the future is the
    event loop's.
    """

    __slots__ = ("deadline", "future", "run", "settled")

    def __init__(self, run: Callable[[Connection], Any], future: asyncio.Future[Any]) -> None:
        self.run = run
        self.future = future
        self.deadline = time.monotonic() + BUSY_S
        self.settled = False


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """What became of one job; of one that wrote, it counts only once the transaction is committed."""

    value: Any = None
    error: Exception | None = None


JobOutcomes = Sequence[tuple[Job, JobOutcome]]


class Jobs:
    """A queue that one or more threads take from until it is closed; made on the event loop that gets the results."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[Job | None] = SimpleQueue()

    def put(self, run: Callable[[Connection], T]) -> asyncio.Future[T]:
        """Add a job; its future is done when its transaction is."""
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(Job(run, future))
        return future

    def close(self, takers: int) -> None:
        """Let each of the threads end once it has done what was put before."""
        for _ in range(takers):
            self._queue.put(None)

    def take(self, most: int) -> list[Job]:
        """Wait for a job and return it with those behind it; an empty list means that the queue is closed."""
        jobs: list[Job] = []
        try:
            while len(jobs) < most:
                job = self._queue.get(block=not jobs)
                if job is None:
                    if jobs:
                        self._queue.put(None)
                    break
                # A caller that gave up before the start wants nothing to happen any more.
                if not job.future.cancelled():
                    jobs.append(job)
        except Empty:
            pass
        return jobs

    def settle(self, outcomes: JobOutcomes) -> None:
        """Give results back, all of them at once: each time the event loop is woken it takes the interpreter."""
        for job, _ in outcomes:
            job.settled = True
        # A loop that is closed has nobody left to tell.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(_give_back, self._loop, outcomes)


def _give_back(loop: asyncio.AbstractEventLoop, outcomes: JobOutcomes) -> None:
    """Give some results back and leave the others for the next turn of the event loop."""
    if len(outcomes) > _TURN:
        loop.call_soon(_give_back, loop, outcomes[_TURN:])
    for job, outcome in outcomes[:_TURN]:
        if job.future.done():
            continue  # its caller gave up
        if outcome.error is None:
            job.future.set_result(outcome.value)
        elif isinstance(outcome.error, StopIteration):
            job.future.set_exception(RuntimeError("a job raised StopIteration"))  # which no future takes
        else:
            job.future.set_exception(outcome.error)
