"""Report to the service what became of experiments: in turn, nothing twice, the end only when its logs are here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

from submarine_jupyter.backoff import Backoff
from submarine_jupyter.errors import SubmarineError, TargetUnavailable
from submarine_jupyter.models import Status
from submarine_jupyter_server.process.clock import now_ms
from submarine_jupyter_server.targets.kubernetes.logs.pod_logs import PodLogs
from submarine_jupyter_server.targets.kubernetes.manifests import KINDS
from submarine_jupyter_server.targets.kubernetes.state.experiment_state import ExperimentState
from submarine_jupyter_server.targets.kubernetes.state.snapshot import Snapshot, ended_by_order
from submarine_jupyter_server.targets.kubernetes.state.status import observe
from submarine_jupyter_server.targets.protocol import Absence, ObjectRef, Observation, Recall, Sink

log = logging.getLogger(__name__)
# How long an end waits for the last lines while none comes: who sees it reads the logs next.
DRAIN_S = 15.0
# When they take longer than this, why it ended is told before it is called ended.
_SOON_S = 1.0
# How long lines are waited for at most, before the end is told and again after that: a lost node never sends them.
LATE_S = 600.0
# An operator that has not said a word by then is not there.
SILENT_S = 11.0
# Whoever gave the order that changed something gets the answer first; and what follows soon is reported together.
_AFTER_YOU_S = 0.005
_AFTER_FAILURE_S = 1.0
# What an order brings about is told after the order is answered: somebody waits for that.
_ORDERED_S = 0.025


class Reporter:
    """Makes observations of what has changed; ``clean`` is awaited once an end has been reported.

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

    def touch(self, state: ExperimentState) -> None:
        """Inspect an experiment soon; called for every change, so it is cheap."""
        key = state.experiment_id
        self._dirty.add(key)
        if key not in self._tasks:
            self._tasks[key] = asyncio.create_task(self._inspect(state), name=f"observe {key}")
        if state.own is not None and not state.own.conditions and key not in self._alarms:
            self._alarms[key] = asyncio.get_running_loop().call_later(SILENT_S, self._wake, state)

    async def report(self, state: ExperimentState, observation: Observation) -> None:
        """Give an observation to the service, whatever it is, and remember that it was reported."""
        await self._sink(observation)
        state.reported = observation
        state.stir()

    async def ended(self, state: ExperimentState) -> None:
        """Wait until the end that an experiment has come to by itself is reported. Raises TargetUnavailable."""
        self.touch(state)
        try:
            async with asyncio.timeout(_SOON_S + DRAIN_S):
                while not state.over:
                    await state.changed.wait()
        except TimeoutError:
            raise TargetUnavailable(
                "the experiment has ended, and the server is reading its last lines", reason="Stopping"
            ) from None

    async def close(self) -> None:
        """Stop reporting."""
        for alarm in self._alarms.values():
            alarm.cancel()
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _wake(self, state: ExperimentState) -> None:
        self._alarms.pop(state.experiment_id, None)
        if not state.over and state.own is not None:
            self.touch(state)

    async def _inspect(self, state: ExperimentState) -> None:
        key = state.experiment_id
        try:
            await asyncio.sleep(_AFTER_YOU_S)
            while key in self._dirty:
                if state.lock.locked():
                    await asyncio.sleep(_ORDERED_S)
                self._dirty.discard(key)
                await self._inspect_once(state)
        finally:
            del self._tasks[key]

    async def _inspect_once(self, state: ExperimentState) -> None:
        try:
            if state.launch is None and state.own is not None:
                await self._remember(state)
            hidden = state.ending or state.view is None or state.over or state.settled
            snapshot = None if hidden else state.snapshot()
            if snapshot is not None and state.kind is not None:
                await self._observe(state, snapshot)
        except SubmarineError as error:
            log.warning("What became of %s cannot be stored now: %s", state.experiment_id, error)
            await asyncio.sleep(_AFTER_FAILURE_S)
            self._dirty.add(state.experiment_id)
        except Exception:
            log.exception("%s cannot be observed", state.experiment_id)
            await asyncio.sleep(self._pauses.setdefault(state.experiment_id, Backoff()).failed())
            self._dirty.add(state.experiment_id)
        else:
            self._pauses.pop(state.experiment_id, None)

    async def _remember(self, state: ExperimentState) -> None:
        """Take in what the database has of an experiment.

        What has ended has its logs closed and its time to live set, for an earlier server may have come to neither.
        """
        known = await self._recall(state.experiment_id)
        if known is None or state.launch is not None:
            return
        state.launch, state.settled = known.launch, not known.live
        if not state.settled:
            return
        await self._logs.drain(state.experiment_id, known.launch.attempt, LATE_S)
        await self._logs.finish(state.experiment_id, known.launch.attempt)
        if state.own is not None and state.own.finished_ms is not None:
            await self._clean(state)

    async def _observe(self, state: ExperimentState, snapshot: Snapshot) -> None:
        now = observed(state, snapshot)
        if same(now, state.reported):
            return
        if not now.status.final:
            await self.report(state, now)
            return
        cause = await self._cause(state, now)
        drained = await self._drained(state, _due(now, cause))
        now = await self._explained(state, _latest(state, now))
        now = _due(now, cause or await self._cause(state, now))
        if drained and now.status.final:
            await self._logs.finish(state.experiment_id, now.attempt)
        await self.report(state, now)
        if now.status.final:
            await self._conclude(state, snapshot.launch.attempt, drained=drained)

    async def _conclude(self, state: ExperimentState, attempt: int, *, drained: bool) -> None:
        """Close the logs of what has ended, and have nothing of it left running."""
        if not drained:
            log.warning("The last lines of %s are still on their way", state.experiment_id)
            await self._logs.drain(state.experiment_id, attempt, LATE_S)
        await self._logs.finish(state.experiment_id, attempt)
        await self._clean(state)

    async def _explained(self, state: ExperimentState, now: Observation) -> Observation:
        """Wait for the replica that a failure is due to: what operators say may come before what pods were."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_SOON_S):
                while now.status == Status.FAILED and not any(replica.reason for replica in now.replicas):
                    await state.changed.wait()
                    now = _latest(state, now)
        return now

    async def _cause(self, state: ExperimentState, now: Observation) -> Absence | None:
        """Return the end of its namespace, if a failure is due to that: pods go before what made them."""
        snapshot, ref = state.snapshot(), state.ref
        if (
            now.status != Status.FAILED
            or snapshot is None
            or ref is None
            or not any(map(ended_by_order, snapshot.pods))
        ):
            return None
        return await self._doomed(ref)

    async def _drained(self, state: ExperimentState, now: Observation) -> bool:
        """Wait for the last lines of what has ended."""
        if await self._logs.drain(now.experiment_id, now.attempt, _SOON_S):
            return True
        if state.reported is not None and not state.ending:
            await self.report(state, unended(state, now))
        return await self._logs.drain(now.experiment_id, now.attempt, DRAIN_S, longest=LATE_S)


def observed(state: ExperimentState, snapshot: Snapshot) -> Observation:
    """Return how an experiment is now."""
    return observe(snapshot, kind=KINDS[state.kind or "indexed_jobs"], now_ms=now_ms())


def unended(state: ExperimentState, now: Observation) -> Observation:
    """Return an observation with its end left out while that is not reported: its last lines may not be here yet."""
    if not now.status.final:
        return now
    known = state.reported is not None and state.reported.attempt == now.attempt and not state.reported.status.final
    if known and state.reported is not None:
        return replace(now, status=state.reported.status, finished_ms=None)
    status = Status.CREATED if now.running_ms is None else Status.RUNNING
    return replace(now, status=status, finished_ms=None)


def _latest(state: ExperimentState, now: Observation) -> Observation:
    """Return how an experiment is by now, unless it is being ended."""
    snapshot = state.snapshot()
    return observed(state, snapshot) if snapshot is not None and not state.ending and state.view is not None else now


def _due(now: Observation, cause: Absence | None) -> Observation:
    """Return a failure with what it is due to."""
    if cause is None or now.status != Status.FAILED:
        return now
    return replace(now, reason=cause.reason, message=cause.message)


def same(one: Observation, other: Observation | None) -> bool:
    """Return whether two observations differ in nothing but their time."""
    return other is not None and replace(one, at_ms=other.at_ms) == other


def stopped(observation: Observation, reason: str, message: str) -> Observation:
    """Return the observation of an experiment whose replicas were ended."""
    replicas = tuple(
        replica if replica.status in ("Succeeded", "Failed") else replace(replica, status="Stopped", message=None)
        for replica in observation.replicas
    )
    return replace(
        observation, status=Status.FAILED, reason=reason, message=message, replicas=replicas, finished_ms=None
    )
