"""Whether an experiment would start on a cluster, and where one waits, as far as that is known."""

from __future__ import annotations

from collections.abc import Iterable

from submarine_jupyter_server.targets.protocol import Ahead, Forecast, Verdict

from .state.experiment_state import ExperimentState


def place_of(state: ExperimentState, others: Iterable[ExperimentState]) -> Forecast | None:
    """Return where an experiment waits in its queue; of what is before it our own is named. None: that is not known."""
    own, place, reported = state.own, state.place, state.reported
    if own is None or place is None or reported is None or reported.reason != "Queued":
        return None
    before = [
        (other.place.number, other.experiment_id)
        for other in others
        if other.own is not None
        and other.place is not None
        and (other.own.namespace, other.own.queue) == (own.namespace, own.queue)
        and other.place.number < place.number
    ]
    ids = tuple(experiment_id for _, experiment_id in sorted(before))
    return Forecast(Verdict.WAITS, reported.message or "", Ahead(place.in_cluster - 1, ids))
