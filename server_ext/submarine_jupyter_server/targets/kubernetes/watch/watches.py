"""The streams of a target, and the experiments they add up to.

One stream per kind and namespace, with our labels: what others run costs nothing. Whose an object is that a stream has
is for `Ownership` to say. Events and Kueue's workloads have no
labels of ours; they are followed only while an experiment waits for something.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from submarine_jupyter.spec import experiment_ids
from submarine_jupyter_server.targets.kubernetes.api.cluster import Cluster
from submarine_jupyter_server.targets.kubernetes.api.discovery import KUEUE
from submarine_jupyter_server.targets.kubernetes.api.object_calls import ObjectCalls
from submarine_jupyter_server.targets.kubernetes.api.paths import collection, collection_of_ref, own_collection
from submarine_jupyter_server.targets.kubernetes.manifests import KINDS
from submarine_jupyter_server.targets.kubernetes.manifests.recognition.metadata import (
    INSTANCE_LABEL,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    TARGET_LABEL,
)
from submarine_jupyter_server.targets.kubernetes.raw_json import Json
from submarine_jupyter_server.targets.kubernetes.state import projection
from submarine_jupyter_server.targets.kubernetes.state.experiment_state import ExperimentState
from submarine_jupyter_server.targets.kubernetes.state.ownership import Ownership
from submarine_jupyter_server.targets.kubernetes.state.views import EventView, PodView
from submarine_jupyter_server.targets.protocol import Launch, Made, ObjectRef

from .cluster_heartbeat import ClusterHeartbeat
from .intake import Intake
from .reflector import Health, Reflector

# How long events are followed after the last experiment that waited.
_LINGER_S = 60.0
_TICK_S = 1.0


class Watches:
    """Everything of ours in those namespaces of a cluster that may be followed.

    ``touched`` is called with an experiment of which something has changed, ``appeared`` and ``gone`` with its pods and
    the attempt they are of.
    """

    def __init__(
        self,
        cluster: Cluster,
        ownership: Ownership,
        *,
        touched: Callable[[ExperimentState], None],
        appeared: Callable[[PodView, int], None],
        gone: Callable[[PodView, int], None],
    ) -> None:
        self.ownership = ownership
        self._cluster = cluster
        ours = ownership.signature
        self.labels = {MANAGED_BY_LABEL: MANAGED_BY, INSTANCE_LABEL: ours.instance, TARGET_LABEL: ours.target}
        self._intake = Intake(
            ownership, ObjectCalls(cluster), self.labels,
            touched=touched, appeared=appeared, gone=gone, current=lambda path: self._reflectors[path].current,
        )  # fmt: skip
        self.hidden = self._intake.hidden
        self._reflectors: dict[str, Reflector[Any]] = {}
        self._of: dict[str, set[str]] = {}
        self._hidden: dict[str, frozenset[str]] = {}
        self._lazy: dict[str, Reflector[Any]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._queues: dict[str, str] = {}
        self._heartbeat = ClusterHeartbeat(cluster, watchful=self._anything_lives)

    @property
    def experiments(self) -> dict[str, ExperimentState]:
        """Return the experiments with objects on the cluster, and those that are about to have some."""
        return self.ownership.experiments

    def watch(self, namespace: str, served: frozenset[str], hidden: frozenset[str], queues: str | None) -> None:
        """Follow what is served but for what is ``hidden``; asked again, what has come since, and not what has gone.

        ``queues`` is the version of Kueue. What is hidden may be there all the same.
        """
        self._add(namespace, _pods(namespace), projection.pod, self._intake.pod)
        for kind in KINDS.values():
            if kind.built_in or kind.kind in served - hidden:
                self._add(namespace, own_collection(kind.name, namespace), projection.job, self._intake.job)
            elif kind.kind not in served:
                self._drop(namespace, own_collection(kind.name, namespace))
        self._hidden[namespace] = hidden & {kind.kind for kind in KINDS.values()}
        self._lazily(collection("v1", "events", namespace), _our_event, self._intake.event, "type=Warning")
        if queues is not None and "Workload" in served - hidden:
            path = self._queues[namespace] = collection(f"{KUEUE}/{queues}", "workloads", namespace)
            self._lazily(path, projection.workload, self._intake.workload, None)

    async def run(self, returned: Callable[[], None]) -> None:
        """Follow events while somebody waits, until cancelled.

        ``returned`` is called when an outage is over, and when there is more that can be observed.
        """
        self._tasks["heartbeat"] = asyncio.create_task(self._heartbeat.run(), name="heartbeat of the cluster")
        needed, returns, known = 0.0, self._heartbeat.returns, (self.synced, self.whole, self.queued)
        while True:
            now, before, known = time.monotonic(), known, (self.synced, self.whole, self.queued)
            if self._heartbeat.returns > returns or any(map(frozenset.difference, known, before)):
                returns = self._heartbeat.returns
                returned()
            if any(state.waits for state in self.experiments.values()):
                needed = now
            if needed and now - needed < _LINGER_S:
                for path, reflector in self._lazy.items():
                    self._start(path, reflector)
            else:
                await self._stop(self._lazy)
            await asyncio.sleep(_TICK_S)

    async def wait_synced(self) -> None:
        """Wait until all that there is is known, but for what cannot be read, in one namespace at least."""
        for reflector in list(self._reflectors.values()):
            await reflector.wait_answered()
        first = [asyncio.create_task(self._wait_synced(name)) for name in self._of]
        try:
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in first:
                task.cancel()

    async def _wait_synced(self, namespace: str) -> None:
        for path in _needed(namespace):
            await self._reflectors[path].wait_synced()

    @property
    def synced(self) -> frozenset[str]:
        """Return the namespaces of which all pods and Jobs were known once: without them nothing can be done there."""
        return frozenset(name for name in self._of if all(self._reflectors[path].synced for path in _needed(name)))

    @property
    def whole(self) -> frozenset[str]:
        """Return the namespaces of which everything is known as it is now: what is not there does not exist."""
        return frozenset(
            name
            for name, paths in self._of.items()
            if not self._hidden.get(name) and all(self._reflectors[path].current for path in paths)
        )

    @property
    def queued(self) -> frozenset[str]:
        """Return the namespaces of which all was known once that waits in queues, and those without queues."""
        return frozenset(name for name in self._of if not (q := self._queues.get(name)) or self._lazy[q].synced)

    def is_synced(self, state: ExperimentState) -> bool:
        """Return whether all that there was in the namespace of an experiment is known."""
        return state.ref is None or state.ref.namespace in self.synced

    def unlisted(self, namespace: str) -> frozenset[str]:
        """Return the kinds, by their names in ``KINDS``, of which it is not known what there is in a namespace."""
        paths = {own_collection(kind, namespace): kind for kind in KINDS}
        streams = self._reflectors
        return frozenset(kind for path, kind in paths.items() if path in streams and not streams[path].synced)

    def follows(self, kind: str, namespace: str) -> bool:
        """Return whether a kind, by its name in ``KINDS``, is followed in a namespace: the cluster has it."""
        return own_collection(kind, namespace) in self._reflectors

    def trouble(self, namespace: str | None = None) -> str | None:
        """Return why streams do not work now, of all or of one namespace."""
        paths = self._reflectors if namespace is None else self._of.get(namespace, ())
        return next((found for path in paths if (found := self._reflectors[path].health.trouble)), None)

    async def close(self) -> None:
        """End all streams."""
        await self.hidden.close()
        await self._stop(list(self._tasks))

    def track(self, launch: Launch) -> ExperimentState:
        """Return what is known of an experiment, which may not be on the cluster yet."""
        state = self.ownership.state_of(launch.experiment_id)
        state.launch, state.settled = launch, False
        return state

    def claim(self, state: ExperimentState, made: Made) -> None:
        """Record what was made for an experiment."""
        self._intake.come(state, self.ownership.claim(state, made))

    def forget(self, state: ExperimentState) -> None:
        """Drop an experiment of which nothing is left."""
        self.ownership.forget(state)

    def merge(self, ref: ObjectRef, item: Json) -> None:
        """Take in at once what the cluster answered to an order about an object that makes pods."""
        if (reflector := self._reflectors.get(collection_of_ref(ref))) is not None:
            reflector.merge(item)

    def gone(self, ref: ObjectRef) -> None:
        """Take in that the cluster does not have an object any more."""
        if (reflector := self._reflectors.get(collection_of_ref(ref))) is not None:
            reflector.forget(ref.name, ref.uid)

    def health(self) -> dict[str, Health]:
        """Return how each stream is, by the path it follows."""
        running = {path: reflector for path, reflector in self._lazy.items() if path in self._tasks}
        return {path: reflector.health for path, reflector in {**self._reflectors, **running}.items()}

    def unreadable(self) -> set[str]:
        """Return the experiments with an object that cannot be read."""
        names = [name for reflector in self._reflectors.values() for name in reflector.health.quarantined]
        return {found for name in names if (found := experiment_ids.at_start(name))}

    def _add(self, namespace: str, path: str, project: Any, changed: Any) -> None:
        if path not in self._reflectors:
            made = self._reflectors[path] = self._reflector(
                path, project, changed, labels=",".join(f"{name}={value}" for name, value in self.labels.items())
            )
            self._of.setdefault(namespace, set()).add(path)
            self._start(path, made)

    def _drop(self, namespace: str, path: str) -> None:
        """Follow a kind no more that the cluster does not have: nothing of it is there."""
        reflector = self._reflectors.pop(path, None)
        if reflector is not None:
            self._of[namespace].discard(path)
            self._tasks[path].cancel()
            for name, view in list(reflector.cache.items()):
                reflector.forget(name, view.uid)

    def _lazily(self, path: str, project: Any, changed: Any, fields: str | None) -> None:
        if path not in self._lazy:
            self._lazy[path] = self._reflector(path, project, changed, fields=fields)

    def _reflector(
        self, path: str, project: Any, changed: Any, *, labels: str | None = None, fields: str | None = None
    ) -> Reflector[Any]:
        return Reflector(
            self._cluster,
            path,
            project=project,
            changed=partial(changed, path),
            labels=labels,
            fields=fields,
            name=path,
            heartbeat=self._heartbeat,
        )

    def _anything_lives(self) -> bool:
        return any(not (state.over or state.settled) for state in self.experiments.values())

    def _start(self, path: str, reflector: Reflector[Any]) -> None:
        if path not in self._tasks or self._tasks[path].cancelling():
            self._tasks[path] = asyncio.create_task(reflector.run(), name=f"watch {path}")

    async def _stop(self, paths: Iterable[str]) -> None:
        ending = [task for path in paths if (task := self._tasks.pop(path, None)) is not None]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)


def _pods(namespace: str) -> str:
    return collection("v1", "pods", namespace)


def _needed(namespace: str) -> tuple[str, str]:
    return _pods(namespace), own_collection("indexed_jobs", namespace)


def _our_event(raw: Json) -> EventView | None:
    view = projection.event(raw)
    return view if experiment_ids.at_start(view.object_name) else None
