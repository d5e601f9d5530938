"""Calls that hang hold up nobody, and threads are used again."""

from __future__ import annotations

import threading
from concurrent.futures import Future

import pytest

from submarine_jupyter_server.targets.local.blocking.blocking_threads import Threads, finished


async def test_one_thread_does_what_comes_one_after_the_other() -> None:
    threads = Threads("test")
    names = set()
    for _ in range(20):
        future = threads.submit(threading.get_ident)
        assert await finished(future, 30)
        names.add(future.result())
        await finished(threads.submit(int), 30)  # by now the first is idle again
    assert len(names) <= 4


async def test_what_hangs_is_passed_over_and_each_is_called_once() -> None:
    threads, answers, called = Threads("test"), threading.Event(), list[int]()

    def call(number: int) -> int:
        called.append(number)
        if number in (3, 7):
            answers.wait()
        if number == 5:
            raise ValueError("five")
        return number

    results = await threads.each(call, range(10), 0.05)
    hung = [number for number, result in enumerate(results) if isinstance(result, Future)]
    assert hung == [3, 7]
    assert [type(results[5]), results[4], results[9]] == [ValueError, 4, 9]
    answers.set()
    for number in hung:
        future = results[number]
        assert isinstance(future, Future)
        assert await finished(future, 30)
    assert sorted(called) == list(range(10))


async def test_a_failure_goes_to_whoever_waits() -> None:
    future = Threads("test").submit(int, "x")
    assert await finished(future, 30)
    with pytest.raises(ValueError, match="invalid literal"):
        future.result()
