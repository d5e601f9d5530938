"""End what an experiment has on the cluster, and know when that is gone."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from submarine_jupyter.errors import NotFound, SubmarineError, TargetRefused, TargetUnavailable
from submarine_jupyter_server.failpoints import reach

from .calls import MERGE, Calls
from .logs.collector import PodLogs
from .manifests import KINDS
from .paths import own_collection
from .reasons.leftovers import Left
from .tracked import Tracked
from .views import JobView

log = logging.getLogger(__name__)
# How long one try waits for replicas to be gone; the order is given again after it.
GONE_S = 5.0
# A node that is lost never says that its pods have ended.
LOST_S = 90.0
_DRAIN_S = 30.0


class Endings:
    """Ends experiments on one cluster, their last lines kept; ``gone`` is told which object is not there."""

    def __init__(self, calls: Calls, logs: PodLogs, gone: Callable[[JobView], None]) -> None:
        self._calls = calls
        self._logs = logs
        self._gone = gone

    async def end(self, tracked: Tracked, reason: str) -> None:
        """Remove the objects of an experiment and wait until its replicas are gone.

        Raises TargetUnavailable with ``reason`` while they are not: the order is to be given again.
        """
        attempt = tracked.present or tracked.attempt
        await self._logs.drain(tracked.experiment_id, attempt, GONE_S)
        await self.begin(tracked, "Foreground")
        await self._await_gone(tracked, reason)
        await self._logs.drain(tracked.experiment_id, attempt, GONE_S)
        self._logs.finish(tracked.experiment_id, attempt)
        tracked.past.clear()
        tracked.complete, tracked.kind = 0, None

    async def delete(self, tracked: Tracked) -> None:
        """Keep the logs and remove the objects; replicas end by themselves after that."""
        if tracked.own is not None:
            await self._logs.drain(tracked.experiment_id, tracked.own.attempt, _DRAIN_S)
        await self.begin(tracked, "Background")
        self._logs.finish(tracked.experiment_id, tracked.attempt)

    async def begin(self, tracked: Tracked, propagation: str) -> None:
        """Order that all objects of an experiment end. Where that is refused, it goes on as before."""
        tracked.ending = True
        going = [job for job in (tracked.own, *tracked.twins.values()) if job is not None and not job.deleting]
        if going:
            tracked.ending_since = None
        try:
            if tracked.own is None:
                await self._remove_jobs(tracked)
            for job in going:
                await self._remove(job, propagation)
        except TargetRefused:
            tracked.ending = False
            raise
        tracked.ending_since = tracked.ending_since or time.monotonic()

    async def _remove_jobs(self, tracked: Tracked) -> None:
        for job in [job for job in tracked.jobs.values() if job.finished_ms is None and not job.deleting]:
            await self._remove(job, "Background")

    async def _await_gone(self, tracked: Tracked, reason: str) -> None:
        until = time.monotonic() + GONE_S
        while not tracked.empty:
            changed = tracked.changed
            seconds, left = until - time.monotonic(), left_of(tracked)
            if reason == "Stopping" and left.is_only_held:
                return
            if seconds <= 0:
                ordered = tracked.ending_since or time.monotonic()
                # What never says that it has ended is no reason to begin beside it.
                if reason == "Stopping" and time.monotonic() - ordered > LOST_S:
                    return
                raise TargetUnavailable(left.being_ended(), reason=reason)
            try:
                async with asyncio.timeout(seconds):
                    await changed.wait()
            except TimeoutError:
                continue

    async def _remove(self, job: JobView, propagation: str) -> None:
        """Delete an object, if it is still the one we know."""
        kind = next(name for name, kind in KINDS.items() if kind.kind == job.kind)
        path = f"{own_collection(kind, job.namespace)}/{job.name}"
        reach("k8s_delete_before")
        body = {"propagationPolicy": propagation, "preconditions": {"uid": job.uid}}
        try:
            await self._calls.call("DELETE", path, body=body)
        except NotFound:
            self._gone(job)  # said for certain; its stream may not work
        except SubmarineError as error:
            raise _not_ended(error, job) from error
        reach("k8s_delete_after")

    async def clean(self, tracked: Tracked) -> None:
        """End what an ended experiment still has running: of plain Jobs nobody else does."""
        if tracked.kind != "indexed_jobs":
            return
        try:
            await self._remove_jobs(tracked)
            own = tracked.own
            if own is not None and own.finished_ms is None and not own.deleting:
                # It stays as the record, and its time to live begins.
                path = f"{own_collection(tracked.kind, own.namespace)}/{own.name}"
                await self._calls.call("PATCH", path, body={"spec": {"activeDeadlineSeconds": 1}}, content_type=MERGE)
        except SubmarineError as error:
            log.warning("What %s left running cannot be ended now: %s", tracked.experiment_id, error)


def left_of(tracked: Tracked) -> Left:
    """Return what of an experiment that is being ended is still there."""
    jobs = (tracked.own, *tracked.twins.values(), *tracked.jobs.values())
    return Left(tuple(job for job in jobs if job is not None), tuple(tracked.pods.values()))


def _not_ended(error: SubmarineError, job: JobView) -> SubmarineError:
    """Return why an object goes on that was to end: whatever the answer, it says nothing of the experiment."""
    if isinstance(error, TargetUnavailable):
        return error
    reason = error.reason if isinstance(error, TargetRefused) else "Denied"
    return TargetRefused(f"the {job.kind} {job.name} goes on: {error.message}", hint=error.hint, reason=reason)
