"""Where an experiment waits in its queue."""

from __future__ import annotations

from collections.abc import Mapping

from submarine_jupyter_server.targets.kubernetes.state.experiment_state import ExperimentState
from submarine_jupyter_server.targets.protocol import Ahead, Forecast, Verdict


def place_of(experiment_id: str, experiments: Mapping[str, ExperimentState]) -> Forecast | None:
    """Return where an experiment waits in its queue; of what is before it our own is named. None: that is not known."""
    if (state := experiments.get(experiment_id)) is None:
        return None
    own, place, reported = state.own, state.place, state.reported
    if own is None or place is None or reported is None or reported.reason != "Queued" or not own.queue:
        return None
    before = in_queue(experiments, own.namespace, own.queue, before=place.number)
    return Forecast(Verdict.WAITS, reported.message or "", Ahead(place.in_cluster - 1, before))


def in_queue(
    experiments: Mapping[str, ExperimentState], namespace: str, queue: str, *, before: int | None = None
) -> tuple[str, ...]:
    """Return our experiments that wait in a queue, those before a place or all whose place is known, in order."""
    waiting = [
        (state.place.number, state.experiment_id)
        for state in experiments.values()
        if state.place is not None
        and state.own is not None
        and (state.own.namespace, state.own.queue) == (namespace, queue)
    ]
    return tuple(name for number, name in sorted(waiting) if before is None or number < before)
