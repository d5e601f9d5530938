"""Carry out what is ordered: make, scale, replace; `Endings` stops and deletes.

Names are fixed and every order may be given again, so an answer that did not come is found out by looking: an object
that exists with our uid is ours.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace

from submarine_jupyter.errors import InvalidSpec, NotFound, SubmarineError, TargetRefused, TargetUnavailable
from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter_server.failpoints import reach
from submarine_jupyter_server.secrets import MASK
from submarine_jupyter_server.targets.base import Launch

from .calls import MERGE, WRITE, Calls, foreign, uid_of
from .cluster import Cluster
from .endings import Endings
from .logs.collector import PodLogs
from .manifests import KINDS, ClusterOptions, Json, choose, owned, render, scale
from .manifests.metadata import NUDGED
from .paths import collection_of, own_collection
from .tracked import Tracked
from .views import JobView
from .watches import Watches

log = logging.getLogger(__name__)


class Orders:
    """Gives orders about experiments to one cluster; ``served`` are the kinds that it serves and we may use."""

    def __init__(
        self, cluster: Cluster, watches: Watches, logs: PodLogs, options: ClusterOptions, served: frozenset[str]
    ) -> None:
        self._calls = Calls(cluster)
        self.endings = Endings(self._calls, logs, watches.gone)
        self._watches = watches
        self._options = options
        self.served = served

    async def ensure(self, tracked: Tracked, launch: Launch) -> None:
        """Make it so. Raises TargetRefused, TargetUnavailable, Conflict."""
        own = tracked.own
        if own is not None and own.intent_uid != launch.uid:
            raise foreign(own.name)
        if own is not None and own.attempt > launch.attempt:
            return  # a late order: what it is about was replaced
        former = own is None and (tracked.ending or not tracked.empty)
        if former or (own is not None and (own.deleting or own.attempt < launch.attempt)):
            await self.endings.end(tracked, "Restarting")
            own = None
        if own is None:
            await self._make(tracked, launch)
        elif own.generation < launch.generation:
            await self._scale(tracked, own, launch)
        elif tracked.complete < launch.attempt:
            await self._complete(tracked, launch, owned(self._objects(tracked, launch), own.uid))

    async def plan(self, launch: Launch) -> list[Json]:
        """Return the objects of a launch after the cluster has said that it would take them."""
        objects = render(launch, kind=self.choose(launch), namespace=_namespace(launch), options=self._options)
        rehearsal = {**WRITE, "dryRun": "All"}
        calls = [self._calls.call("POST", collection_of(item), params=rehearsal, body=item) for item in objects]
        await asyncio.gather(*calls)
        return objects

    async def look(self, tracked: Tracked, launch: Launch) -> None:
        """Find an own object that was ordered while the answer did not come, or whose kind cannot be listed now."""
        if tracked.own is not None:
            return
        namespace = _namespace(launch)
        if tracked.kind is None:
            await self.find(tracked.experiment_id, launch.uid, namespace)
            return
        found = await self._find(tracked.kind, namespace, tracked.experiment_id)
        if found is not None and uid_of(found) == launch.uid:
            self._watches.merge(tracked.kind, namespace, found)

    async def nudge(self, tracked: Tracked) -> None:
        """Change something about an own object that says nothing, so that its operator looks at it."""
        own = tracked.own
        if own is None or tracked.kind is None:
            return
        path = f"{own_collection(tracked.kind, own.namespace)}/{own.name}"
        try:
            await self._calls.call(
                "PATCH", path, body={"metadata": {"annotations": {NUDGED: _now()}}}, content_type=MERGE
            )
        except SubmarineError as error:
            log.info("%s cannot be nudged now: %s", tracked.experiment_id, error)

    def choose(self, launch: Launch) -> str:
        """Return the kind an experiment becomes on this cluster."""
        unlisted = {KINDS[kind].kind for kind in self._watches.unlisted(_namespace(launch))}
        return kind_of(launch.spec, self.served - unlisted, self._options)

    async def exists(self, own: JobView, kind: str) -> bool:
        """Ask the cluster whether an own object is there."""
        path = f"{own_collection(kind, own.namespace)}/{own.name}"
        try:
            found = await self._calls.call("GET", path)
        except NotFound:
            return False
        return bool(found["metadata"]["uid"] == own.uid)

    async def find(self, experiment_id: str, uid: str, namespace: str) -> None:
        """Find an own object of which no stream would have said that it is there."""
        for kind in sorted(self._watches.unlisted(namespace)):
            found = await self._find(kind, namespace, experiment_id)
            if found is not None and uid_of(found) == uid:
                self._watches.merge(kind, namespace, found)

    async def _find(self, kind: str, namespace: str, name: str) -> Json | None:
        try:
            return await self._calls.call("GET", f"{own_collection(kind, namespace)}/{name}")
        except NotFound:
            return None
        except TargetUnavailable as error:
            if error.reason == "KindGone":
                return None
            raise

    async def _make(self, tracked: Tracked, launch: Launch) -> None:
        tracked.begin()
        # Kept from here on: should the answer not come, only this kind has to be looked for.
        tracked.kind = tracked.kind or self.choose(launch)
        objects = self._objects(tracked, launch)
        reach("k8s_create_before")
        try:
            made = await self._calls.post(objects[0], launch)
        except (TargetRefused, InvalidSpec):
            tracked.kind = None
            raise
        reach("k8s_create_after")
        self._watches.merge(tracked.kind, _namespace(launch), made)
        await self._complete(tracked, launch, owned(objects, made["metadata"]["uid"]))

    async def _complete(self, tracked: Tracked, launch: Launch, rest: list[Json]) -> None:
        """Make what the own object owns; it does not stay without that."""
        reach("k8s_owned_before")
        try:
            await asyncio.gather(*(self._calls.post(item, launch) for item in rest if _known(item)))
        except (TargetRefused, InvalidSpec):
            await self.endings.begin(tracked, "Background")
            raise
        tracked.complete = launch.attempt
        reach("k8s_owned_after")

    async def _scale(self, tracked: Tracked, own: JobView, launch: Launch) -> None:
        kind, namespace = tracked.kind or "", _namespace(launch)
        before = before_change(tracked, launch)
        if before is None:
            raise TargetRefused(f"the record on {own.name} cannot be read", reason="Unreadable")
        for patch in scale(before, launch, kind=kind, namespace=namespace, options=self._options):
            item = {"apiVersion": patch.api_version, "kind": patch.kind, "metadata": {"namespace": namespace}}
            path = f"{collection_of(item)}/{patch.name}"
            reach("k8s_patch_before")
            try:
                changed = await self._calls.call("PATCH", path, params=WRITE, body=patch.body, content_type=MERGE)
            except NotFound as error:
                raise TargetUnavailable(f"{patch.name} is not on the cluster any more", reason="Restarting") from error
            reach("k8s_patch_after")
            if patch.name == own.name and patch.kind == own.kind:
                self._watches.merge(kind, namespace, changed)

    def _objects(self, tracked: Tracked, launch: Launch) -> list[Json]:
        return render(launch, kind=tracked.kind or "", namespace=_namespace(launch), options=self._options)


def kind_of(spec: ExperimentSpec, served: frozenset[str], options: ClusterOptions) -> str:
    """Return the kind an experiment becomes on a cluster."""
    queue = (spec.runtime.queue if spec.runtime else None) or options.queue
    return choose(spec.meta.framework, served, queue, spec=spec)


def before_change(tracked: Tracked, launch: Launch) -> Launch | None:
    """Return what runs, as a launch of the present attempt; None if its record cannot be read.

    The record has no secret values. They are those of ``launch``: with others it would be another attempt.
    """
    recorded = tracked.recorded()
    if recorded is None or recorded.attempt != launch.attempt:
        return None
    spec = launch.spec.model_copy(deep=True)
    for role, task in spec.spec.items():
        if role in recorded.spec.spec:
            task.replicas = recorded.spec.spec[role].replicas
    spec.meta.name, spec.meta.tags = recorded.spec.meta.name, recorded.spec.meta.tags
    if spec.runtime is not None:
        spec.runtime.metrics = recorded.spec.runtime.metrics if recorded.spec.runtime else None
    return replace(recorded, spec=spec)


def _now() -> str:
    return str(time.time_ns() // 1_000_000)


def _namespace(launch: Launch) -> str:
    return launch.spec.meta.namespace or "default"


def _known(item: Json) -> bool:
    """Tell whether we have the content of an object: a row that was written again lacks secrets and code."""
    if item["kind"] == "Secret":
        return MASK not in item["stringData"].values()
    return item["kind"] != "ConfigMap" or any(item["data"].values())
