"""Threads that keep nobody from ending."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time

import pytest

from submarine_jupyter_server.process.daemon_threads import DaemonPool, begun, in_thread

HANGING = """
import asyncio, threading
from submarine_jupyter_server.process.daemon_threads import DaemonPool, in_thread
pool = DaemonPool(2, "pool")
begun = threading.Barrier(3)
for start in (pool.submit, lambda work: in_thread(work, "one")):
    start(lambda: (begun.wait(), threading.Event().wait()))
begun.wait()
pool.shutdown()
print("over")
"""


def test_a_process_ends_though_its_threads_hang() -> None:
    done = subprocess.run([sys.executable, "-c", HANGING], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "over\n"


def test_a_pool_does_what_it_is_given_in_at_most_so_many_threads() -> None:
    pool = DaemonPool(3, "pool")
    threads: set[str] = set()

    def square(number: int) -> int:
        threads.add(threading.current_thread().name)
        time.sleep(0.001)
        return number * number

    futures = [pool.submit(square, number) for number in range(100)]
    assert [future.result(20) for future in futures] == [number * number for number in range(100)]
    assert threads == {"pool 0", "pool 1", "pool 2"}
    pool.shutdown()
    with pytest.raises(RuntimeError, match="shut down"):
        pool.submit(square, 1)


def test_an_idle_thread_is_used_again() -> None:
    pool = DaemonPool(8, "pool")
    for _ in range(20):
        name = pool.submit(lambda: threading.current_thread().name).result(20)
        while pool._idle._value == 0:
            time.sleep(0.001)
        assert name == "pool 0"
    pool.shutdown()


def test_a_shutdown_may_cancel_what_has_not_begun() -> None:
    pool, go = DaemonPool(1, "pool"), threading.Event()
    first, second = pool.submit(go.wait), pool.submit(go.wait)
    while not first.running():
        time.sleep(0.001)
    pool.shutdown(wait=False, cancel_futures=True)
    assert second.cancelled()
    go.set()
    assert first.result(20)


async def test_errors_go_to_whoever_waits() -> None:
    def fail() -> None:
        raise ValueError("odd")

    with pytest.raises(ValueError, match="odd"):
        await begun(fail, "one")
    with pytest.raises(ValueError, match="odd"):
        await asyncio.wrap_future(in_thread(fail, "one"))
