"""The watch over the event loop sees what blocks it, and names it; it does not count what the loop only suffers."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from tests.server.stall import Stall, watched_loop


@pytest.fixture(autouse=True)
def loop_is_never_held() -> None:
    """Here it is held on purpose."""


def hold(limit_s: float, work: Callable[[], object]) -> list[Stall]:
    async def guilty() -> None:
        work()

    with watched_loop(limit_s) as stalls:
        asyncio.run(guilty())
    return list(stalls)


def compute(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        sum(range(1000))


def nap(seconds: float) -> None:
    time.sleep(seconds)


def test_a_call_that_blocks_is_named() -> None:
    [found] = hold(0.2, lambda: nap(0.5))
    assert "guilty" in found.callback
    assert found.slept > 0.2
    assert found.computed < 0.2
    assert found.stack.splitlines()[-1].endswith("in nap")
    assert "waiting" in str(found)


def test_a_callback_that_computes_is_named() -> None:
    [found] = hold(0.2, lambda: compute(0.3))
    assert found.computed > 0.2
    assert " in compute" in found.stack


def test_a_c_function_that_keeps_the_gil_is_named() -> None:
    text = "[" + "1.5," * 1_000_000 + "1]"
    begin = time.thread_time()
    json.loads(text)
    limit = (time.thread_time() - begin) / 3
    assert len(hold(limit, lambda: json.loads(text))) == 1


def test_a_wait_for_another_thread_is_named() -> None:
    """Although somebody computes all the while."""
    thread = threading.Thread(target=compute, args=(0.6,))

    def wait() -> None:
        thread.start()
        thread.join()

    [found] = hold(0.2, wait)
    assert found.slept > 0.2
    assert " in join" in found.stack


def test_what_yields_is_not() -> None:
    async def polite() -> None:
        for _ in range(10):
            await asyncio.sleep(0.02)

    with watched_loop(0.25) as stalls:
        asyncio.run(polite())
    assert stalls == []


def test_collecting_garbage_is_not() -> None:
    def collect() -> None:
        until = time.thread_time() + 0.4
        while time.thread_time() < until:
            gc.collect()

    assert hold(0.25, collect) == []


def test_another_thread_that_computes_is_not() -> None:
    """Each call that gives up the GIL waits 5 ms to have it back."""
    over = threading.Event()

    def busy() -> None:
        while not over.is_set():
            sum(range(1000))

    def polls() -> None:
        until = time.perf_counter() + 0.8
        while time.perf_counter() < until:
            os.stat("/")

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        assert hold(0.25, polls) == []
    finally:
        over.set()
        thread.join()


def test_other_processes_that_compute_are_not() -> None:
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3 * (os.cpu_count() or 1))]
    try:
        for _ in range(3):
            assert hold(0.25, lambda: compute(0.15)) == []
    finally:
        for other in others:
            other.kill()
            other.wait()
