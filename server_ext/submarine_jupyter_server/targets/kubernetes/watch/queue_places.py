"""The places in queues of what waits there, asked of Kueue's own API while somebody waits.

https://kueue.sigs.k8s.io/docs/tasks/manage/monitor_pending_workloads/pending_workloads_on_demand/
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping

from submarine_jupyter_server.targets.kubernetes.api.cluster import ApiError, Cluster, Unreachable
from submarine_jupyter_server.targets.kubernetes.api.discovery import PLACES, places_version
from submarine_jupyter_server.targets.kubernetes.raw_json import Json
from submarine_jupyter_server.targets.kubernetes.state.experiment_state import ExperimentState
from submarine_jupyter_server.targets.kubernetes.state.views import Place

log = logging.getLogger(__name__)
_TICK_S = 2.0
_AGAIN_S = 10.0
_REFUSED_S = 300.0
# Who is further back has no place.
MOST = 100
# Each change is an event that is kept: to the tenth place each step is one, behind it each tenth.
_NEAR, _FAR = 10, 10
_LATE_S = 600.0
_Queue = tuple[str, str]  # namespace, name


class QueuePlaces:
    """Keeps ``ExperimentState.place``: one request for each queue in which something of ours waits, every 10 s, or
    sooner if others wait there than before.

    Where the API is not served, or may not be read, it is asked again after minutes. ``touched`` is called with each
    experiment that has another place.
    """

    def __init__(
        self, cluster: Cluster, experiments: Mapping[str, ExperimentState], touched: Callable[[ExperimentState], None]
    ) -> None:
        self._cluster = cluster
        self._experiments = experiments
        self._touched = touched
        self._next: dict[_Queue, float] = {}
        self._asked: dict[_Queue, set[str]] = {}
        self._shown_at: dict[str, float] = {}
        self._version: str | None = None

    async def run(self) -> None:
        """Ask while somebody waits, until cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(_TICK_S)

    async def refresh(self) -> None:
        """Ask for each queue in which somebody waits, if that was not done a moment ago."""
        waiting: dict[_Queue, list[ExperimentState]] = {}
        for state in self._experiments.values():
            if queue := _queue(state):
                waiting.setdefault(queue, []).append(state)
            else:
                state.place = None
        now = time.monotonic()
        self._next = {queue: at for queue, at in self._next.items() if at > now}
        ids = {state.experiment_id for those in waiting.values() for state in those}
        self._shown_at = {key: at for key, at in self._shown_at.items() if key in ids}
        self._asked = {queue: ids for queue, ids in self._asked.items() if queue in waiting}
        for queue, those in waiting.items():
            ids = {state.experiment_id for state in those}
            if queue not in self._next or self._asked.get(queue, ids) != ids:
                self._next[queue], self._asked[queue] = now + _AGAIN_S, ids
                await self._ask(queue, those)

    async def _ask(self, queue: _Queue, those: Iterable[ExperimentState]) -> None:
        namespace, name = queue
        try:
            self._version = self._version or await places_version(self._cluster)
            path = f"/apis/{PLACES}/{self._version}/namespaces/{namespace}/localqueues/{name}/pendingworkloads"
            places = places_in(await self._cluster.call("GET", path, params={"limit": str(MOST)}))
        except Unreachable:
            return
        except (ApiError, ValueError) as error:
            log.info("Places in the queue %s of namespace %s are not known: %s", name, namespace, error)
            places, self._version = {}, None  # Kueue may have been exchanged
            self._next[queue] = time.monotonic() + _REFUSED_S
            del self._asked[queue]
        for state in those:
            place = places.get(state.own.uid) if state.own is not None else None
            if self._is_news(state, place):
                state.place, self._shown_at[state.experiment_id] = place, time.monotonic()
                self._touched(state)

    def _is_news(self, state: ExperimentState, place: Place | None) -> bool:
        old = state.place
        if old is None or place is None or _step(place) != _step(old):
            return place != old
        return place != old and time.monotonic() - self._shown_at[state.experiment_id] > _LATE_S


def places_in(summary: Json) -> dict[str, Place]:
    """Return the places by the uids of the objects that wait. Raises ValueError for what cannot be read."""
    try:
        items = list(summary.get("items") or ())
        count = len(items) if len(items) < MOST else None
        return {
            str(owner["uid"]): Place(item["positionInLocalQueue"] + 1, count, item["positionInClusterQueue"] + 1)
            for item in items
            for owner in item["metadata"].get("ownerReferences") or ()
        }
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"the summary cannot be read: {error}") from error


def _step(place: Place) -> int:
    return place.number if place.number <= _NEAR else _NEAR + place.number // _FAR


def _queue(state: ExperimentState) -> _Queue | None:
    own = state.own
    if own is None or not own.suspended or not own.queue or own.deleting or state.over:
        return None
    return own.namespace, own.queue
