"""Put what streams bring into the states of the experiments that it is of."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from submarine_jupyter.spec import experiment_ids
from submarine_jupyter_server.targets.kubernetes.api.object_calls import ObjectCalls
from submarine_jupyter_server.targets.kubernetes.state.experiment_state import ExperimentState
from submarine_jupyter_server.targets.kubernetes.state.ownership import Ownership
from submarine_jupyter_server.targets.kubernetes.state.views import EventView, JobView, PodView, WorkloadView

from .hidden_pods import HiddenPods


class Intake:
    """Takes each difference once: the view before it, and the one after it; None where there is none.

    ``touched`` is called with an experiment of which something has changed, ``appeared`` and ``gone`` with its pods and
    the attempt they are of. ``current`` returns whether the stream of a path says what is, and not what was.
    """

    def __init__(
        self,
        ownership: Ownership,
        calls: ObjectCalls,
        labels: dict[str, str],
        *,
        touched: Callable[[ExperimentState], None],
        appeared: Callable[[PodView, int], None],
        gone: Callable[[PodView, int], None],
        current: Callable[[str], bool],
    ) -> None:
        self._ownership = ownership
        self._touched, self._appeared, self._gone, self._current = touched, appeared, gone, current
        self._workloads: dict[str, WorkloadView] = {}
        self.hidden = HiddenPods(calls, labels, self._put, self._drop)

    def _changed(self, state: ExperimentState) -> None:
        state.stir()
        self._touched(state)

    def come(self, state: ExperimentState, found: Iterable[JobView | PodView]) -> None:
        """Take in what turned out to be of an experiment."""
        for view in found:
            if isinstance(view, PodView) and state.made is not None:
                self._appeared(view, state.made.attempt)
        if (ref := state.ref) is not None:
            state.workload = self._workloads.get(ref.uid)
        self._changed(state)

    def pod(self, path: str, key: str, old: PodView | None, new: PodView | None) -> None:
        """Take in a pod that came, changed or went."""
        if old is not None and (new is None or new.uid != old.uid):
            state = self._ownership.whose_pod(old)
            if new is not None or not self.hidden.suspect(state, old):
                self._drop(old)
        if new is not None:
            self._put(new)

    def _put(self, pod: PodView) -> None:
        state = self._ownership.put_pod(pod)
        if state is not None and state.made is not None:
            self._appeared(pod, state.made.attempt)
            self._changed(state)

    def _drop(self, pod: PodView) -> None:
        state = self._ownership.drop_pod(pod)
        if state is not None and state.made is not None:
            self._gone(pod, state.made.attempt)
            self._changed(state)

    def job(self, path: str, key: str, old: JobView | None, new: JobView | None) -> None:
        """Take in an object that makes pods."""
        if old is not None and (new is None or new.uid != old.uid):
            state = self._ownership.drop_job(old, watched=self._current(path))
            if state is not None:
                self._changed(state)
        if new is not None:
            state, more = self._ownership.put_job(new)
            if state is not None:
                self.come(state, more)

    def event(self, path: str, key: str, old: EventView | None, new: EventView | None) -> None:
        """Take in an event about what is ours."""
        found = experiment_ids.at_start(new.object_name) if new else None
        state = self._ownership.experiments.get(found) if found else None
        # Events go after an hour, what they said stays true of what still waits.
        if state is not None and new is not None:
            state.put_event(new)
            self._changed(state)

    def workload(self, path: str, key: str, old: WorkloadView | None, new: WorkloadView | None) -> None:
        """Take in what waits, or waited, in a queue of Kueue."""
        view = new or old
        if view is None:
            return
        if new is None:
            self._workloads.pop(view.owner_uid, None)
        else:
            self._workloads[view.owner_uid] = new
        state = self._ownership.whose(view.owner_uid)
        if state is not None and state.ref is not None and state.ref.uid == view.owner_uid:
            state.workload = new
            self._changed(state)
