"""Threads that never keep the process from ending: one that waits for a dead file system waits for ever."""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
SHUTDOWN_S = 1.0


def in_thread(work: Callable[[], T], name: str) -> Future[T]:
    """Run ``work`` in a thread of its own."""
    future: Future[T] = Future()
    threading.Thread(target=_carry_out, args=(future, work), name=name, daemon=True).start()
    return future


async def begun(work: Callable[[], T], name: str) -> T:
    """Await what ``work`` returns in a thread of its own."""
    return await asyncio.wrap_future(in_thread(work, name))


class DaemonPool(Executor):
    """An executor of at most ``most`` threads for which the interpreter does not wait when it ends."""

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._jobs: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._idle = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._closed = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a function when a thread is free. Raises RuntimeError after ``shutdown``."""
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise RuntimeError(f"The threads '{self._name}' are shut down.")
            self._jobs.put((future, functools.partial(fn, *args, **kwargs)))
            if not self._idle.acquire(blocking=False) and len(self._threads) < self._most:
                name = f"{self._name} {len(self._threads)}"
                self._threads.append(threading.Thread(target=self._work, name=name, daemon=True))
                self._threads[-1].start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more work; what was begun is waited for, but for one second at most. Blocks if ``wait``."""
        with self._lock:
            self._closed = True
            while cancel_futures and not self._jobs.empty():
                if (job := self._jobs.get()) is not None:
                    job[0].cancel()
            for _ in self._threads:
                self._jobs.put(None)
        until = time.monotonic() + SHUTDOWN_S
        for thread in self._threads if wait else ():
            thread.join(max(0.0, until - time.monotonic()))

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            _carry_out(*job)
            del job  # it would keep its result until the next one comes
            self._idle.release()


def _carry_out(future: Future[Any], work: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - it goes to whoever waits
        future.set_exception(error)
    else:
        future.set_result(result)
