"""End what an experiment has on the cluster, and know when that is gone."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from submarine_jupyter.errors import NotFound, SubmarineError, TargetRefused, TargetUnavailable
from submarine_jupyter_server.process.failpoints import reach
from submarine_jupyter_server.targets.kubernetes.api.object_calls import MERGE, ObjectCalls
from submarine_jupyter_server.targets.kubernetes.api.paths import makes_pods, path_of
from submarine_jupyter_server.targets.kubernetes.logs.pod_logs import PodLogs
from submarine_jupyter_server.targets.kubernetes.manifests import KINDS
from submarine_jupyter_server.targets.kubernetes.state.experiment_state import ExperimentState
from submarine_jupyter_server.targets.kubernetes.state.reasons.leftovers import Left
from submarine_jupyter_server.targets.protocol import ObjectRef

from .record_keeping import RecordKeeper

log = logging.getLogger(__name__)
# How long one try waits for replicas to be gone; the order is given again after it.
GONE_S = 5.0
# A node that is lost never says that its pods have ended.
LOST_S = 90.0
_DRAIN_S = 30.0
# No stream tells of an object whose labels somebody took away.
_ASK_S = 1.0


class Endings:
    """Ends experiments on one cluster, their last lines kept; ``gone`` is told which object is not there."""

    def __init__(
        self, calls: ObjectCalls, logs: PodLogs, gone: Callable[[ObjectRef], None], records: RecordKeeper
    ) -> None:
        self._calls = calls
        self._logs = logs
        self._gone = gone
        self._records = records

    async def end(self, state: ExperimentState, reason: str) -> None:
        """Remove the objects of an experiment and wait until its replicas are gone.

        Raises TargetUnavailable with ``reason`` while they are not: the order is to be given again.
        """
        attempt = state.present or state.attempt
        await self._logs.drain(state.experiment_id, attempt, GONE_S)
        await self.begin(state, "Foreground")
        await self._await_gone(state, reason)
        await self._logs.drain(state.experiment_id, attempt, GONE_S)
        await self._logs.finish(state.experiment_id, attempt)
        state.let_go()

    async def delete(self, state: ExperimentState) -> None:
        """Keep the logs and order that the objects go; replicas end by themselves after that."""
        attempt = state.present or state.attempt
        if state.own is not None:
            await self._logs.drain(state.experiment_id, attempt, _DRAIN_S)
        # The replicas go first, whatever keeps their owner: with the other way they stay as long as it does.
        await self.begin(state, "Foreground")
        await self._logs.finish(state.experiment_id, attempt)

    async def begin(self, state: ExperimentState, propagation: str) -> None:
        """Order that all that was made for an experiment ends. Where that is refused, it goes on as before.

        It goes by what was made, whatever is visible of that: others may have taken its labels, or spoilt its record.
        """
        state.ending = True
        deleting = {job.uid for job in (state.own, *state.jobs.values()) if job is not None and job.deleting}
        going = [ref for ref in (*_made(state), *_cut_off(state)) if makes_pods(ref) and ref.uid not in deleting]
        if going:
            state.ending_since = None
        try:
            for ref in going:
                await self._remove(ref, propagation)
        except TargetRefused:
            state.ending = False
            raise
        state.ending_since = state.ending_since or time.monotonic()
        for ref in _made(state):
            if not makes_pods(ref):
                await self._tidy(ref)

    async def _tidy(self, ref: ObjectRef) -> None:
        """Delete what goes with its owner, unless somebody has taken that from it."""
        try:
            await self._remove(ref, "Background")
        except TargetRefused as error:
            log.info("%s", error)

    async def _await_gone(self, state: ExperimentState, reason: str) -> None:
        until = time.monotonic() + GONE_S
        hidden = state.ref if state.own is None else None
        while not state.empty or (hidden is not None and await self._calls.find(hidden) is not None):
            changed = state.changed
            seconds, left = until - time.monotonic(), left_of(state)
            if reason == "Stopping" and left.is_only_held:
                return
            if seconds <= 0:
                ordered = state.ending_since or time.monotonic()
                # What never says that it has ended is no reason to begin beside it.
                if reason == "Stopping" and time.monotonic() - ordered > LOST_S:
                    return
                raise TargetUnavailable(left.being_ended(), reason=reason)
            try:
                async with asyncio.timeout(min(seconds, _ASK_S) if hidden else seconds):
                    await changed.wait()
            except TimeoutError:
                continue

    async def _remove(self, ref: ObjectRef, propagation: str) -> None:
        """Delete an object, if it is still the one that was made."""
        reach("k8s_delete_before")
        body = {"propagationPolicy": propagation, "preconditions": {"uid": ref.uid}}
        try:
            await self._calls.call("DELETE", path_of(ref), body=body)
        except NotFound:
            self._gone(ref)  # said for certain; its stream may not work
        except SubmarineError as error:
            raise _not_ended(error, ref) from error
        reach("k8s_delete_after")

    async def clean(self, state: ExperimentState) -> None:
        """Settle what an ended experiment leaves: nothing of it goes on, and the rest has its time to live."""
        try:
            if state.kind is not None and KINDS[state.kind].per_role:
                await self._clean_jobs(state)
            await self._records.conclude(state)
        except SubmarineError as error:
            log.warning("What %s left cannot be ended now: %s", state.experiment_id, error)

    async def _clean_jobs(self, state: ExperimentState) -> None:
        """End what plain Jobs have still running: nobody else does."""
        for job in [job for job in state.jobs.values() if job.finished_ms is None and not job.deleting]:
            await self._remove(job.ref, "Background")
        own = state.own
        if own is not None and own.finished_ms is None and not own.deleting:
            # It stays as the record, and its time to live begins.
            body = {"metadata": {"uid": own.uid}, "spec": {"activeDeadlineSeconds": 1}}
            await self._calls.call("PATCH", path_of(own.ref), body=body, content_type=MERGE)


def _made(state: ExperimentState) -> tuple[ObjectRef, ...]:
    return state.made.objects if state.made is not None else ()


def _cut_off(state: ExperimentState) -> list[ObjectRef]:
    """Return the Jobs that the own object made and that do not go with it any more: somebody took their owner away."""
    return [job.ref for job in state.jobs.values() if job.uid not in state.uids and not job.controlled]


def left_of(state: ExperimentState) -> Left:
    """Return what of an experiment that is being ended is still there."""
    jobs = (state.own, *state.jobs.values())
    return Left(tuple(job for job in jobs if job is not None), tuple(state.pods.values()))


def _not_ended(error: SubmarineError, ref: ObjectRef) -> SubmarineError:
    """Return why an object goes on that was to end: whatever the answer, it says nothing of the experiment."""
    if isinstance(error, TargetUnavailable):
        return error
    reason = error.reason if isinstance(error, TargetRefused) else "Denied"
    return TargetRefused(f"the {ref.kind} {ref.name} goes on: {error.message}", hint=error.hint, reason=reason)
