"""Make sure that an experiment is gone before it is called gone.

A stream may tell of a deletion that an outage invented, so the cluster is asked twice, some seconds apart.
"""

from __future__ import annotations

import asyncio
import logging

from submarine_jupyter.errors import SubmarineError

from .logs.collector import PodLogs
from .observing import DRAIN_S, Observer, observed, stopped
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
        if tracked.vanished and key not in self._tasks:
            self._tasks[key] = asyncio.create_task(self._confirm(tracked), name=f"loss of {key}")

    async def close(self) -> None:
        """Stop looking."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _confirm(self, tracked: Tracked) -> None:
        try:
            absent = 0
            while absent < _LOOKS and tracked.vanished:
                absent += await self._is_absent(tracked)
                await asyncio.sleep(APART_S if absent < _LOOKS else 0)
            while tracked.vanished:
                if await self._is_told(tracked):
                    break
                await asyncio.sleep(APART_S)
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

    async def _is_told(self, tracked: Tracked) -> bool:
        """Tell the service; return whether that is done, or can never be."""
        seen = tracked.seen()
        last = tracked.told or (observed(tracked, seen) if seen is not None else None)
        if last is None:
            tracked.lost = None  # nobody can say what it was: whoever has its row decides
            return True
        await self._logs.drain(tracked.experiment_id, last.attempt, DRAIN_S)
        message = "somebody deleted it from the cluster, and it was not us"
        try:
            if tracked.vanished:
                await self._observer.tell(tracked, stopped(last, "ExternallyDeleted", message))
        except SubmarineError as error:
            log.warning("The loss of %s cannot be stored now: %s", tracked.experiment_id, error)
            return False
        self._logs.finish(tracked.experiment_id, last.attempt)
        return True
