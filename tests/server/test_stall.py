"""The watch over the event loop sees what blocks it, and names it."""

from __future__ import annotations

import asyncio
import json
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


def test_a_call_that_blocks_is_named() -> None:
    found = hold(0.2, lambda: time.sleep(0.5))
    assert len(found) == 1
    assert "guilty" in found[0].callback
    assert found[0].seconds > 0.2


def test_a_callback_that_computes_is_named() -> None:
    def compute() -> None:
        until = time.thread_time() + 0.3
        while time.thread_time() < until:
            sum(range(1000))

    assert len(hold(0.2, compute)) == 1


def test_a_c_function_that_keeps_the_gil_is_named() -> None:
    text = "[" + "[1.5]," * 400_000 + "1]"
    begin = time.thread_time()
    json.loads(text)
    limit = (time.thread_time() - begin) / 3
    assert len(hold(limit, lambda: json.loads(text))) == 1


def test_what_yields_is_not() -> None:
    async def polite() -> None:
        for _ in range(10):
            await asyncio.sleep(0.02)

    with watched_loop(0.25) as stalls:
        asyncio.run(polite())
    assert stalls == []
