"""Make sure that an experiment is gone before it is called gone, and find out why.

A stream may tell of a deletion that an outage invented, so the cluster is asked twice, some seconds apart.
"""

from __future__ import annotations

import asyncio
import logging

from submarine_jupyter.errors import SubmarineError
from submarine_jupyter_server.targets.kubernetes.api.object_calls import MERGE, ObjectCalls
from submarine_jupyter_server.targets.kubernetes.api.paths import path_of
from submarine_jupyter_server.targets.kubernetes.logs.pod_logs import PodLogs
from submarine_jupyter_server.targets.kubernetes.manifests.recognition.metadata import EXPERIMENT_LABEL
from submarine_jupyter_server.targets.kubernetes.state.experiment_state import ExperimentState
from submarine_jupyter_server.targets.kubernetes.watch.watches import Watches
from submarine_jupyter_server.targets.protocol import Absence, ObjectRef, Observation, Recall

from .absence import Absences, Trace, decisive
from .reporter import DRAIN_S, Reporter, observed, stopped

log = logging.getLogger(__name__)
APART_S = 5.0
_CHECKS = 2


class Disappearances:
    """Watches over live experiments whose own object has vanished without an order of ours."""

    def __init__(
        self,
        calls: ObjectCalls,
        absences: Absences,
        watches: Watches,
        reporter: Reporter,
        logs: PodLogs,
        recall: Recall,
    ) -> None:
        self._calls = calls
        self._absences = absences
        self._watches = watches
        self._reporter = reporter
        self._logs = logs
        self._recall = recall
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def suspect(self, state: ExperimentState) -> None:
        """Inspect an experiment, if its object is missing that should be there."""
        key = state.experiment_id
        if state.vanished and key not in self._tasks and not _ended(state):
            self._tasks[key] = asyncio.create_task(self._confirm(state), name=f"loss of {key}")

    async def close(self) -> None:
        """Stop inspecting."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _confirm(self, state: ExperimentState) -> None:
        try:
            known = await self._recall(state.experiment_id)
            if known is not None and not known.live:
                self._watches.forget(state)
                return
            if known is not None and known.stopping:
                return
            if known is not None and state.launch is None:
                state.launch = known.launch
            if (absence := await self._cause(state)) is None:
                return
            while state.vanished:
                if await self._is_reported(state, absence):
                    break
                await asyncio.sleep(APART_S)
        except Exception:
            log.exception("The loss of %s cannot be told", state.experiment_id)
        finally:
            del self._tasks[state.experiment_id]

    async def _cause(self, state: ExperimentState) -> Absence | None:
        """Return why it is gone for sure, None if it is there again."""
        found: list[Absence] = []
        hidden = False
        while state.vanished or (hidden and not (state.ending or state.over or state.settled)):
            try:
                hidden, absence = False, await self._absence(state)
                if absence is not None:
                    found.append(absence)
                    if state.ref is not None:
                        self._watches.gone(state.ref)  # no stream tells of it, if it had lost its labels
                elif state.ref is not None:
                    hidden = True
                    await self._label(state, state.ref)
                    hidden = False
            except SubmarineError as error:
                log.info("%s cannot be inspected now: %s", state.experiment_id, error)
            if len(found) == _CHECKS or any(absence.reason == "NamespaceDeleted" for absence in found):
                return decisive(*found)  # nothing brings back a namespace that is being deleted
            if state.vanished or hidden:
                await asyncio.sleep(APART_S)
        return None

    async def _absence(self, state: ExperimentState) -> Absence | None:
        if (ref := state.ref) is None:
            return None
        trace = Trace()
        if (last := state.last) is not None:
            trace = Trace(state.watched, ended=last.finished_ms is not None, expires=last.expires)
        return await self._absences.why(ref, state.experiment_id, trace)

    async def _label(self, state: ExperimentState, ref: ObjectRef) -> None:
        """Put our labels back on an object that is there: without them no stream reports it.

        Where that is refused, it is asked for from time to time.
        """
        if (found := await self._calls.find(ref)) is None:
            return
        self._watches.merge(ref, found)
        labels = self._watches.labels | {EXPERIMENT_LABEL: state.experiment_id}
        body = {"metadata": {"uid": ref.uid, "labels": labels}}
        self._watches.merge(ref, await self._calls.call("PATCH", path_of(ref), body=body, content_type=MERGE))

    async def _is_reported(self, state: ExperimentState, absence: Absence) -> bool:
        """Report to the service; return whether that is done, or can never be."""
        last = state.reported or _last(state)
        if last is None:
            self._watches.forget(state)  # nobody can say what it was: whoever has its row decides
            return True
        # Its last lines have been on their way since it was inspected first.
        await self._logs.drain(state.experiment_id, last.attempt, DRAIN_S - APART_S)
        if not state.vanished:
            return True
        known = await self._recall(state.experiment_id)
        if known is not None and known.stopping:
            return True  # that order ends what there may still be, and reports the end
        await self._logs.finish(state.experiment_id, last.attempt)
        try:
            await self._reporter.report(state, stopped(last, absence.reason, absence.message))
        except SubmarineError as error:
            log.warning("The loss of %s cannot be stored now: %s", state.experiment_id, error)
            return False
        return True


def _last(state: ExperimentState) -> Observation | None:
    """Return how it was at last, None where nobody can say that."""
    return observed(state, snapshot) if (snapshot := state.snapshot()) is not None else state.reported


def _ended(state: ExperimentState) -> bool:
    """Return whether it had come to its end before it went: then that is reported, as of what is there."""
    return state.last is not None and (last := _last(state)) is not None and last.status.final
