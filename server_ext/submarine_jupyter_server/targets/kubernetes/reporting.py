"""Tell the service what became of experiments: each in turn, nothing twice, the end only when its logs are here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

from submarine_jupyter.backoff import Backoff
from submarine_jupyter.errors import SubmarineError, TargetUnavailable
from submarine_jupyter.models import Status
from submarine_jupyter_server.clock import now_ms
from submarine_jupyter_server.targets.protocol import Absence, ObjectRef, Observation, Recall, Sink

from .logs.pod_logs import PodLogs
from .manifests import KINDS
from .state.experiment_state import ExperimentState
from .state.snapshot import Snapshot, ended_by_order
from .state.status import observe

log = logging.getLogger(__name__)
# How long an end waits for the last lines while none comes: who sees it reads the logs next.
DRAIN_S = 15.0
# When they take longer than this, why it ended is told before it is called ended.
_SOON_S = 1.0
# How long lines are waited for at most, before the end is told and again after that: a lost node never sends them.
LATE_S = 600.0
# An operator that has not said a word by then is not there.
SILENT_S = 11.0
_AFTER_FAILURE_S = 1.0
# What an order brings about is told after the order is answered: somebody waits for that.
_ORDERED_S = 0.025


class Reporter:
    """Makes observations of what has changed; ``clean`` is awaited once an end has been told.

    ``recall`` says what the database has of an experiment that no order was about yet, ``doomed`` that a namespace is
    being deleted.
    """

    def __init__(
        self,
        sink: Sink,
        logs: PodLogs,
        recall: Recall,
        clean: Callable[[ExperimentState], Awaitable[None]],
        doomed: Callable[[ObjectRef], Awaitable[Absence | None]],
    ) -> None:
        self._sink = sink
        self._logs = logs
        self._recall = recall
        self._clean = clean
        self._doomed = doomed
        self._dirty: set[str] = set()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._alarms: dict[str, asyncio.TimerHandle] = {}
        self._pauses: dict[str, Backoff] = {}

    def touch(self, tracked: ExperimentState) -> None:
        """Look at an experiment soon; called for every change, so it is cheap."""
        key = tracked.experiment_id
        self._dirty.add(key)
        if key not in self._tasks:
            self._tasks[key] = asyncio.create_task(self._look(tracked), name=f"observe {key}")
        if tracked.own is not None and not tracked.own.conditions and key not in self._alarms:
            self._alarms[key] = asyncio.get_running_loop().call_later(SILENT_S, self._wake, tracked)

    async def tell(self, tracked: ExperimentState, seen: Observation) -> None:
        """Give an observation to the service, whatever it is, and remember that it was told."""
        await self._sink(seen)
        tracked.told = seen
        tracked.stir()

    async def ended(self, tracked: ExperimentState) -> None:
        """Wait until the end that an experiment has come to by itself is told. Raises TargetUnavailable."""
        self.touch(tracked)
        try:
            async with asyncio.timeout(_SOON_S + DRAIN_S):
                while not tracked.over:
                    await tracked.changed.wait()
        except TimeoutError:
            raise TargetUnavailable("it has ended, and its last lines are being read", reason="Stopping") from None

    async def close(self) -> None:
        """Stop looking."""
        for alarm in self._alarms.values():
            alarm.cancel()
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _wake(self, tracked: ExperimentState) -> None:
        self._alarms.pop(tracked.experiment_id, None)
        if not tracked.over and tracked.own is not None:
            self.touch(tracked)

    async def _look(self, tracked: ExperimentState) -> None:
        key = tracked.experiment_id
        try:
            while key in self._dirty:
                if tracked.lock.locked():
                    await asyncio.sleep(_ORDERED_S)
                self._dirty.discard(key)
                await self._look_once(tracked)
        finally:
            del self._tasks[key]

    async def _look_once(self, tracked: ExperimentState) -> None:
        try:
            if tracked.launch is None and tracked.own is not None:
                await self._remember(tracked)
            hidden = tracked.ending or tracked.view is None or tracked.over or tracked.settled
            seen = None if hidden else tracked.seen()
            if seen is not None and tracked.kind is not None:
                await self._observe(tracked, seen)
        except SubmarineError as error:
            log.warning("What became of %s cannot be stored now: %s", tracked.experiment_id, error)
            await asyncio.sleep(_AFTER_FAILURE_S)
            self._dirty.add(tracked.experiment_id)
        except Exception:
            log.exception("%s cannot be observed", tracked.experiment_id)
            await asyncio.sleep(self._pauses.setdefault(tracked.experiment_id, Backoff()).failed())
            self._dirty.add(tracked.experiment_id)
        else:
            self._pauses.pop(tracked.experiment_id, None)

    async def _remember(self, tracked: ExperimentState) -> None:
        """Take in what the database has of an experiment.

        What has ended has its logs closed and its time to live set, for an earlier server may have come to neither.
        """
        known = await self._recall(tracked.experiment_id)
        if known is None or tracked.launch is not None:
            return
        tracked.launch, tracked.settled = known.launch, not known.live
        if not tracked.settled:
            return
        await self._logs.drain(tracked.experiment_id, known.launch.attempt, LATE_S)
        await self._logs.finish(tracked.experiment_id, known.launch.attempt)
        if tracked.own is not None and tracked.own.finished_ms is not None:
            await self._clean(tracked)

    async def _observe(self, tracked: ExperimentState, seen: Snapshot) -> None:
        now = observed(tracked, seen)
        if same(now, tracked.told):
            return
        if not now.status.final:
            await self.tell(tracked, now)
            return
        cause = await self._cause(tracked, now)
        drained = await self._drained(tracked, _due(now, cause))
        now = await self._explained(tracked, _latest(tracked, now))
        now = _due(now, cause or await self._cause(tracked, now))
        if drained and now.status.final:
            await self._logs.finish(tracked.experiment_id, now.attempt)
        await self.tell(tracked, now)
        if now.status.final:
            await self._conclude(tracked, seen.launch.attempt, drained=drained)

    async def _conclude(self, tracked: ExperimentState, attempt: int, *, drained: bool) -> None:
        """Close the logs of what has ended, and have nothing of it left running."""
        if not drained:
            log.warning("The last lines of %s are still on their way", tracked.experiment_id)
            await self._logs.drain(tracked.experiment_id, attempt, LATE_S)
        await self._logs.finish(tracked.experiment_id, attempt)
        await self._clean(tracked)

    async def _explained(self, tracked: ExperimentState, now: Observation) -> Observation:
        """Wait for the replica that a failure is due to: what operators say may come before what pods were."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_SOON_S):
                while now.status == Status.FAILED and not any(replica.reason for replica in now.replicas):
                    await tracked.changed.wait()
                    now = _latest(tracked, now)
        return now

    async def _cause(self, tracked: ExperimentState, now: Observation) -> Absence | None:
        """Return the end of its namespace, if a failure is due to that: pods go before what made them."""
        seen, ref = tracked.seen(), tracked.ref
        if now.status != Status.FAILED or seen is None or ref is None or not any(map(ended_by_order, seen.pods)):
            return None
        return await self._doomed(ref)

    async def _drained(self, tracked: ExperimentState, now: Observation) -> bool:
        """Wait for the last lines of what has ended."""
        if await self._logs.drain(now.experiment_id, now.attempt, _SOON_S):
            return True
        if tracked.told is not None and not tracked.ending:
            await self.tell(tracked, unended(tracked, now))
        return await self._logs.drain(now.experiment_id, now.attempt, DRAIN_S, longest=LATE_S)


def observed(tracked: ExperimentState, seen: Snapshot) -> Observation:
    """Return how an experiment is now."""
    return observe(seen, kind=KINDS[tracked.kind or "indexed_jobs"], now_ms=now_ms())


def unended(tracked: ExperimentState, now: Observation) -> Observation:
    """Return an observation with its end left out while that is not told: its last lines may not be here yet."""
    if not now.status.final:
        return now
    known = tracked.told is not None and tracked.told.attempt == now.attempt and not tracked.told.status.final
    if known and tracked.told is not None:
        return replace(now, status=tracked.told.status, finished_ms=None)
    status = Status.CREATED if now.running_ms is None else Status.RUNNING
    return replace(now, status=status, finished_ms=None)


def _latest(tracked: ExperimentState, now: Observation) -> Observation:
    """Return how an experiment is by now, unless it is being ended."""
    seen = tracked.seen()
    return observed(tracked, seen) if seen is not None and not tracked.ending and tracked.view is not None else now


def _due(now: Observation, cause: Absence | None) -> Observation:
    """Return a failure with what it is due to."""
    if cause is None or now.status != Status.FAILED:
        return now
    return replace(now, reason=cause.reason, message=cause.message)


def same(one: Observation, other: Observation | None) -> bool:
    """Tell whether two observations differ in nothing but their time."""
    return other is not None and replace(one, at_ms=other.at_ms) == other


def stopped(seen: Observation, reason: str, message: str) -> Observation:
    """Return the observation of an experiment whose replicas were ended."""
    replicas = tuple(
        replica if replica.status in ("Succeeded", "Failed") else replace(replica, status="Stopped", message=None)
        for replica in seen.replicas
    )
    return replace(seen, status=Status.FAILED, reason=reason, message=message, replicas=replicas, finished_ms=None)
