"""A house of servers over a commanded world, on the loop of the test; every wait of the servers is short."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from submarine_jupyter_server.control import delivery as outbox_module
from submarine_jupyter_server.control import reconcile as reconcile_module
from submarine_jupyter_server.opening import wiring as service_module
from tests.control.house import House


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "INLINE_S", 0.05)
    monkeypatch.setattr(outbox_module, "MAX_BACKOFF_S", 0.05)
    monkeypatch.setattr(reconcile_module, "ABSENT_AGAIN_S", 0.05)
    monkeypatch.setattr(service_module, "_targets", service_module._targets)


@asynccontextmanager
async def opened(folder: Path, reconcile_seconds: float = 0.2) -> AsyncIterator[House]:
    """Open a house, and close it however the test ends."""
    house = House(folder, reconcile_seconds)
    await house.open()
    try:
        yield house
    finally:
        house.world.calm()
        while house.services:
            await house.close()


async def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds."""
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"not in time: {what}")
