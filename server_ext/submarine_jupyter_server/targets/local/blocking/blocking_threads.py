"""Threads for what blocks: a call that hangs holds up neither the other calls nor the end of the process."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Generic, ParamSpec, TypeVar

IDLE_S = 10.0
P = ParamSpec("P")
T = TypeVar("T")
A = TypeVar("A")


async def finished(future: Future[T], timeout_s: float) -> bool:
    """Wait for the end of a call, or for so many seconds; return whether it has ended. The call goes on either way."""
    if not future.done() and timeout_s > 0:
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def wake(_: object) -> None:
            with contextlib.suppress(RuntimeError):  # nobody waits any more: the loop is closed
                loop.call_soon_threadsafe(done.set)

        future.add_done_callback(wake)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):  # not wait_for: in Python 3.11 that makes a task of each wait
                await done.wait()
    return future.done()


class Threads:
    """As many threads as there are calls under way; idle ones are used again, and end after a while."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: SimpleQueue[tuple[Future[object], Callable[[], object]]] = SimpleQueue()
        self._idle = 0
        self._lock = threading.Lock()

    def submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Begin a call in a thread that does not keep the process from ending, even when the call hangs."""
        future: Future[T] = Future()
        self._calls.put((future, lambda: function(*args, **kwargs)))  # type: ignore[arg-type]
        with self._lock:
            needed = self._idle == 0
            self._idle -= 0 if needed else 1
        if needed:
            threading.Thread(target=self._work, name=self._name, daemon=True).start()
        return future

    async def each(
        self, function: Callable[[A], T], items: Sequence[A], patience_s: float
    ) -> list[T | Exception | Future[None]]:
        """Call ``function`` for one item after the other, and return what came of each.

        A call that takes longer than ``patience_s`` goes on beside the others: its result is the future of its end.
        """
        results: list[T | Exception | Future[None]] = []
        while len(results) < len(items):
            batch: _Batch[A, T] = _Batch(function, items[len(results) :])
            future = self.submit(batch.work)
            count = -1
            while not future.done() and len(batch.results) > count:
                count = len(batch.results)
                await finished(future, patience_s)
            batch.abandoned = not future.done()
            results += batch.results if future.done() else [*batch.results[:count], future]
        return results

    def _work(self) -> None:
        while True:
            try:
                future, call = self._calls.get(timeout=IDLE_S)
            except Empty:
                with self._lock:
                    if self._idle == 0:
                        continue  # a call is on its way to us
                    self._idle -= 1
                return
            if future.set_running_or_notify_cancel():
                try:
                    result = call()
                except BaseException as error:  # noqa: BLE001 - it goes to whoever waits
                    future.set_exception(error)
                else:
                    future.set_result(result)
            del future, call
            with self._lock:
                self._idle += 1


class _Batch(Generic[A, T]):
    """Calls that are made one after the other, until somebody else goes on with the rest."""

    def __init__(self, function: Callable[[A], T], items: Sequence[A]) -> None:
        self.results: list[T | Exception] = []
        self.abandoned = False
        self._function = function
        self._items = items

    def work(self) -> None:
        for item in self._items:
            if self.abandoned:
                return
            try:
                self.results.append(self._function(item))
            except Exception as error:  # noqa: BLE001 - of this item only; it goes to whoever waits
                self.results.append(error)
