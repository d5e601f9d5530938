"""Make sure that an experiment is gone before it is called gone.

A stream may tell of a deletion that an outage invented, so the cluster is asked twice, some seconds apart.
"""

from __future__ import annotations

import asyncio
import logging

from submarine_jupyter.errors import SubmarineError
from submarine_jupyter_server.targets.base import ObjectRef, Recall

from .calls import MERGE, Calls
from .logs.collector import PodLogs
from .manifests import Json
from .manifests.metadata import EXPERIMENT_LABEL
from .observing import DRAIN_S, Observer, observed, stopped
from .paths import path_of
from .tracked import Tracked
from .watches import Watches

log = logging.getLogger(__name__)
APART_S = 5.0
_LOOKS = 2


class Losses:
    """Watches over live experiments whose own object has vanished without an order of ours."""

    def __init__(self, calls: Calls, watches: Watches, observer: Observer, logs: PodLogs, recall: Recall) -> None:
        self._calls = calls
        self._watches = watches
        self._observer = observer
        self._logs = logs
        self._recall = recall
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
            known = await self._recall(tracked.experiment_id)
            if known is not None and not known.live:
                self._watches.forget(tracked)
                return
            if known is not None and tracked.launch is None:
                tracked.launch = known.launch
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
        if (ref := tracked.ref) is None:
            return False
        try:
            found = await self._calls.find(ref)
            if found is not None:
                await self._label(tracked, ref, found)
        except SubmarineError:
            return False  # whoever does not answer has said nothing
        return found is None

    async def _label(self, tracked: Tracked, ref: ObjectRef, found: Json) -> None:
        """Put our labels back on an object that is there: without them no stream tells of it."""
        self._watches.merge(ref, found)
        labels = self._watches.labels | {EXPERIMENT_LABEL: tracked.experiment_id}
        body = {"metadata": {"uid": ref.uid, "labels": labels}}
        self._watches.merge(ref, await self._calls.call("PATCH", path_of(ref), body=body, content_type=MERGE))

    async def _is_told(self, tracked: Tracked) -> bool:
        """Tell the service; return whether that is done, or can never be."""
        seen = tracked.seen()
        last = tracked.told or (observed(tracked, seen) if seen is not None else None)
        if last is None:
            self._watches.forget(tracked)  # nobody can say what it was: whoever has its row decides
            return True
        await self._logs.drain(tracked.experiment_id, last.attempt, DRAIN_S)
        message = "somebody deleted it from the cluster, and it was not us"
        try:
            if tracked.vanished:
                await self._logs.finish(tracked.experiment_id, last.attempt)
                await self._observer.tell(tracked, stopped(last, "ExternallyDeleted", message))
        except SubmarineError as error:
            log.warning("The loss of %s cannot be stored now: %s", tracked.experiment_id, error)
            return False
        return True
