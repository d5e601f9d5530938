"""Threads that work through a queue of jobs, and give the results back to the event loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from sqlalchemy import Connection

from submarine_jupyter_server.store.sqlite.connection import BUSY_S

T = TypeVar("T")


class Job:
    """One function to run in a transaction, and where its result goes."""

    __slots__ = ("deadline", "future", "run")

    def __init__(self, run: Callable[[Connection], Any]) -> None:
        self.run = run
        self.future: Future[Any] = Future()
        self.deadline = time.monotonic() + BUSY_S


class Jobs:
    """A queue that one or more threads take from until it is closed."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Job | None] = SimpleQueue()

    def put(self, run: Callable[[Connection], T]) -> Future[T]:
        """Add a job; its future is done when its transaction is."""
        job = Job(run)
        self._queue.put(job)
        return job.future

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
                if job.future.set_running_or_notify_cancel():
                    jobs.append(job)
        except Empty:
            pass
        return jobs
