"""The service while it is being opened, and its end."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from submarine_jupyter.errors import Unavailable
from submarine_jupyter_server.config import ServiceConfig
from submarine_jupyter_server.opening.startup import Opening


@pytest.fixture(autouse=True)
def unfrozen() -> Iterator[None]:
    before = gc.get_freeze_count()
    yield
    if before == 0:
        gc.unfreeze()


async def test_the_service_is_there_from_the_start_to_the_end(config: ServiceConfig) -> None:
    opening = Opening()
    with pytest.raises(Unavailable, match="not running"):
        await opening.service()
    assert opening.notices() == []
    opening.start(config)
    service = await opening.service()
    assert await opening.service() is service
    service.notices.put("disk", "The disk is full.")
    assert opening.notices() == ["The disk is full."]
    await opening.close()
    assert opening.notices() == []
    with pytest.raises(Unavailable, match="not running"):
        await opening.service()


async def test_what_cannot_be_opened_says_why(config: ServiceConfig) -> None:
    opening = Opening()
    opening.start(replace(config, default_target="moon"))
    with pytest.raises(Unavailable, match="unknown target 'moon'"):
        await opening.service()
    assert opening.notices() == []
    await opening.close()


async def test_an_opening_that_hangs_is_given_up(config: ServiceConfig) -> None:
    os.mkfifo(config.data_dir / "instance")  # nobody ever writes into it
    opening = Opening()
    opening.start(replace(config, targets={"far": {}}))
    waiting = asyncio.create_task(opening.service())
    await asyncio.sleep(0)
    async with asyncio.timeout(20):
        await opening.close()
        with pytest.raises(Unavailable, match="not running"):
            await waiting
    # Let the thread that waits for the file end, too.
    os.close(os.open(config.data_dir / "instance", os.O_RDWR | os.O_NONBLOCK))


@pytest.mark.parametrize("own", [False, True])
async def test_only_a_process_of_its_own_is_spared_from_garbage_collection(config: ServiceConfig, own: bool) -> None:
    before = gc.get_freeze_count()
    opening = Opening()
    opening.start(config, own_process=own)
    await opening.service()
    assert (gc.get_freeze_count() > before) == own
    await opening.close()
