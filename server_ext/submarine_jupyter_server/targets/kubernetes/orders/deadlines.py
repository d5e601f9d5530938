"""Have the Training Operator notice that the time of a job is over.

It compares the time only when something about the job changes (seen with 1.9.4: one that ran on without a change was
still running 100 s after its ``activeDeadlineSeconds``). So something is changed then: an annotation.
"""

from __future__ import annotations

import asyncio
import logging
import time

from submarine_jupyter.errors import SubmarineError
from submarine_jupyter_server.process.clock import now_ms
from submarine_jupyter_server.targets.kubernetes.api.object_calls import MERGE, ObjectCalls
from submarine_jupyter_server.targets.kubernetes.api.paths import path_of
from submarine_jupyter_server.targets.kubernetes.manifests import OWN_KINDS
from submarine_jupyter_server.targets.kubernetes.manifests.recognition.metadata import NUDGED
from submarine_jupyter_server.targets.kubernetes.state.experiment_state import ExperimentState
from submarine_jupyter_server.targets.kubernetes.state.views import JobView

log = logging.getLogger(__name__)
# The operator's clock and ours may differ.
_LATE_S = 1.0
_AGAIN_S = 10.0


class Deadlines:
    """One alarm for each job that has a time limit."""

    def __init__(self, calls: ObjectCalls) -> None:
        self._calls = calls
        self._alarms: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def watch(self, state: ExperimentState) -> None:
        """Set the alarm of an experiment, if it needs one; called for every change."""
        key = state.experiment_id
        if _runs_against_time(state) is None:
            if key in self._alarms:
                self._alarms.pop(key).cancel()
        elif key not in self._alarms:
            self._set(state, _LATE_S)

    async def close(self) -> None:
        """Cancel all alarms."""
        for alarm in self._alarms.values():
            alarm.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _set(self, state: ExperimentState, least_s: float) -> None:
        own = _runs_against_time(state)
        if own is None or own.started_ms is None or own.deadline_s is None:
            return
        left_s = own.started_ms / 1000 + own.deadline_s - time.time()
        self._alarms[state.experiment_id] = asyncio.get_running_loop().call_later(
            max(left_s + _LATE_S, least_s), self._due, state
        )

    def _due(self, state: ExperimentState) -> None:
        del self._alarms[state.experiment_id]
        if _runs_against_time(state) is None:
            return
        task = asyncio.ensure_future(self._nudge(state))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._set(state, _AGAIN_S)

    async def _nudge(self, state: ExperimentState) -> None:
        own = state.own
        if own is None:
            return
        now = str(now_ms())
        body = {"metadata": {"uid": own.uid, "annotations": {NUDGED: now}}}
        try:
            await self._calls.call("PATCH", path_of(own.ref), body=body, content_type=MERGE)
        except SubmarineError as error:
            log.info("%s cannot be nudged now: %s", state.experiment_id, error)


def _runs_against_time(state: ExperimentState) -> JobView | None:
    own = state.own
    if own is None or not OWN_KINDS[own.kind].forgets_time or own.finished_ms is not None or state.ending:
        return None
    return own if own.deadline_s is not None and own.started_ms is not None else None
