"""Make sure that an experiment is gone before it is called gone.

A stream may tell of a deletion that an outage invented, so the cluster is asked twice, some seconds apart.
"""

from __future__ import annotations

import asyncio
import logging

from submarine_jupyter.errors import SubmarineError

from .logs.collector import PodLogs
from .observing import DRAIN_S, Observer, stopped
from .orders import Orders
from .tracked import Tracked

log = logging.getLogger(__name__)
APART_S = 5.0
_LOOKS = 2


class Losses:
    """Watches over live experiments whose own object has vanished without an order of ours."""

    def __init__(self, orders: Orders, observer: Observer, logs: PodLogs) -> None:
        self._orders = orders
        self._observer = observer
        self._logs = logs
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def suspect(self, tracked: Tracked) -> None:
        """Look into an experiment, if its object is missing that should be there."""
        key = tracked.experiment_id
        if _is_missing(tracked) and key not in self._tasks:
            self._tasks[key] = asyncio.create_task(self._confirm(tracked), name=f"loss of {key}")

    async def close(self) -> None:
        """Stop looking."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _confirm(self, tracked: Tracked) -> None:
        try:
            absent = 0
            while absent < _LOOKS and _is_missing(tracked):
                absent += await self._is_absent(tracked)
                await asyncio.sleep(APART_S if absent < _LOOKS else 0)
            if absent == _LOOKS and _is_missing(tracked):
                await self._tell(tracked)
        except Exception:
            log.exception("The loss of %s cannot be told", tracked.experiment_id)
        finally:
            del self._tasks[tracked.experiment_id]

    async def _is_absent(self, tracked: Tracked) -> bool:
        if tracked.lost is None or tracked.kind is None:
            return False
        try:
            return not await self._orders.exists(tracked.lost, tracked.kind)
        except SubmarineError:
            return False  # whoever does not answer has said nothing

    async def _tell(self, tracked: Tracked) -> None:
        if tracked.told is None:
            return
        attempt = tracked.told.attempt
        await self._logs.drain(tracked.experiment_id, attempt, DRAIN_S)
        self._logs.finish(tracked.experiment_id, attempt)
        message = "somebody deleted it from the cluster, and it was not us"
        await self._observer.tell(tracked, stopped(tracked.told, "ExternallyDeleted", message))


def _is_missing(tracked: Tracked) -> bool:
    known = tracked.told is not None and tracked.lost is not None
    return tracked.own is None and known and not tracked.ending and not tracked.over
