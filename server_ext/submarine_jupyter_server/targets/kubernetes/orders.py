"""Carry out what is ordered: make, scale, replace, stop, delete.

Names are fixed and every order may be given again, so an answer that did not come is found out by looking: an object
that exists with our uid is ours.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace

from submarine_jupyter.errors import NotFound, SubmarineError, TargetRefused, TargetUnavailable
from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter_server.failpoints import reach
from submarine_jupyter_server.secrets import MASK
from submarine_jupyter_server.targets.base import Launch

from .cluster import ApiError, Cluster, Unreachable
from .logs.collector import PodLogs
from .manifests import KINDS, ClusterOptions, Json, choose, owned, render, scale
from .manifests.metadata import ATTEMPT, NUDGED, UID
from .paths import collection_of, own_collection
from .refusals import meaning
from .tracked import Tracked
from .views import JobView
from .watches import Watches

log = logging.getLogger(__name__)
# Strict: a field that the cluster does not know is an error and not dropped.
_WRITE = {"fieldManager": "submarine-jupyter", "fieldValidation": "Strict"}
_PATCH = "application/merge-patch+json"
# How long one try waits for replicas to be gone; the order is given again after it.
GONE_S = 5.0
# A node that is lost never says that its pods have ended.
_LOST_S = 90.0
_DRAIN_S = 30.0


class Orders:
    """Gives orders about experiments to one cluster; ``served`` are the kinds that it serves and we may use."""

    def __init__(
        self, cluster: Cluster, watches: Watches, logs: PodLogs, options: ClusterOptions, served: frozenset[str]
    ) -> None:
        self._cluster = cluster
        self._watches = watches
        self._logs = logs
        self._options = options
        self.served = served

    async def ensure(self, tracked: Tracked, launch: Launch) -> None:
        """Make it so. Raises TargetRefused, TargetUnavailable, Conflict."""
        own = tracked.own
        if own is not None and own.intent_uid != launch.uid:
            raise _foreign(own.name)
        if own is not None and (own.deleting or own.attempt < launch.attempt):
            await self.end(tracked, "Restarting")
            tracked.kind = own = None
        if own is None:
            tracked.ending, tracked.told = False, None
            await self._make(tracked, launch)
        elif own.generation < launch.generation:
            await self._scale(tracked, own, launch)
        elif tracked.complete < launch.attempt:
            await self._complete(tracked, launch, owned(self._objects(tracked, launch), own.uid))

    async def plan(self, launch: Launch) -> list[Json]:
        """Return the objects of a launch after the cluster has said that it would take them."""
        objects = render(launch, kind=self.choose(launch), namespace=_namespace(launch), options=self._options)
        rehearsal = {**_WRITE, "dryRun": "All"}
        calls = [self._call("POST", collection_of(item), params=rehearsal, body=item) for item in objects]
        await asyncio.gather(*calls)
        return objects

    async def end(self, tracked: Tracked, reason: str) -> None:
        """Remove the objects of an experiment and wait until its replicas are gone.

        Raises TargetUnavailable with ``reason`` while they are not: the order is to be given again.
        """
        tracked.ending = True
        attempt = tracked.own.attempt if tracked.own is not None else tracked.attempt
        await self._logs.drain(tracked.experiment_id, attempt, GONE_S)
        if tracked.own is not None and not tracked.own.deleting:
            await self._remove(tracked.own, "Foreground")
            tracked.ending_since = time.monotonic()
        await self._await_gone(tracked, reason)
        await self._logs.drain(tracked.experiment_id, attempt, GONE_S)
        self._logs.finish(tracked.experiment_id, attempt)
        tracked.past.clear()
        tracked.complete = 0

    async def delete(self, tracked: Tracked) -> None:
        """Keep the logs and remove the objects; replicas end by themselves after that."""
        tracked.ending = True
        if tracked.own is not None:
            await self._logs.drain(tracked.experiment_id, tracked.own.attempt, _DRAIN_S)
            await self._remove(tracked.own, "Background")
        self._logs.finish(tracked.experiment_id, tracked.attempt)

    async def look(self, tracked: Tracked, launch: Launch) -> None:
        """Find an own object that was ordered while the answer did not come."""
        if tracked.own is not None or tracked.kind is None:
            return
        first = render(launch, kind=tracked.kind, namespace=_namespace(launch), options=self._options)[0]
        found = await self._get(first)
        if found is not None and _uid(found) == launch.uid:
            self._watches.merge(tracked.kind, _namespace(launch), found)

    async def clean(self, tracked: Tracked) -> None:
        """End what an ended experiment still has running: of plain Jobs nobody else does."""
        if tracked.kind != "indexed_jobs":
            return
        try:
            for job in [job for job in tracked.jobs.values() if job.finished_ms is None and not job.deleting]:
                await self._remove(job, "Background")
            own = tracked.own
            if own is not None and own.finished_ms is None and not own.deleting:
                # It stays as the record, and its time to live begins.
                path = f"{own_collection(tracked.kind, own.namespace)}/{own.name}"
                await self._call("PATCH", path, body={"spec": {"activeDeadlineSeconds": 1}}, content_type=_PATCH)
        except SubmarineError as error:
            log.warning("What %s left running cannot be ended now: %s", tracked.experiment_id, error)

    async def nudge(self, tracked: Tracked) -> None:
        """Change something about an own object that says nothing, so that its operator looks at it."""
        own = tracked.own
        if own is None or tracked.kind is None:
            return
        path = f"{own_collection(tracked.kind, own.namespace)}/{own.name}"
        try:
            await self._call("PATCH", path, body={"metadata": {"annotations": {NUDGED: _now()}}}, content_type=_PATCH)
        except SubmarineError as error:
            log.info("%s cannot be nudged now: %s", tracked.experiment_id, error)

    def choose(self, launch: Launch) -> str:
        """Return the kind an experiment becomes on this cluster."""
        return kind_of(launch.spec, self.served, self._options)

    async def exists(self, own: JobView, kind: str) -> bool:
        """Ask the cluster whether an own object is there."""
        path = f"{own_collection(kind, own.namespace)}/{own.name}"
        try:
            found = await self._call("GET", path)
        except NotFound:
            return False
        return bool(found["metadata"]["uid"] == own.uid)

    async def _make(self, tracked: Tracked, launch: Launch) -> None:
        # Kept from here on: should the answer not come, only this kind has to be looked for.
        tracked.kind = tracked.kind or self.choose(launch)
        objects = self._objects(tracked, launch)
        reach("k8s_create_before")
        try:
            made = await self._post(objects[0], launch)
        except TargetRefused:
            tracked.kind = None
            raise
        reach("k8s_create_after")
        self._watches.merge(tracked.kind, _namespace(launch), made)
        try:
            await self._complete(tracked, launch, owned(objects, made["metadata"]["uid"]))
        except TargetRefused:
            tracked.ending = True
            if tracked.own is not None:
                await self._remove(tracked.own, "Background")
            raise

    async def _complete(self, tracked: Tracked, launch: Launch, rest: list[Json]) -> None:
        """Make what the own object owns."""
        reach("k8s_owned_before")
        await asyncio.gather(*(self._post(item, launch) for item in rest if _known(item)))
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
            changed = await self._call("PATCH", path, params=_WRITE, body=patch.body, content_type=_PATCH)
            reach("k8s_patch_after")
            if patch.name == own.name and patch.kind == own.kind:
                self._watches.merge(kind, namespace, changed)

    async def _await_gone(self, tracked: Tracked, reason: str) -> None:
        until = time.monotonic() + GONE_S
        while not tracked.empty:
            changed = tracked.changed
            left = until - time.monotonic()
            if left <= 0:
                if tracked.ending_since is not None and time.monotonic() - tracked.ending_since > _LOST_S:
                    return
                raise TargetUnavailable("its replicas are being ended", reason=reason)
            try:
                async with asyncio.timeout(left):
                    await changed.wait()
            except TimeoutError:
                continue

    async def _remove(self, job: JobView, propagation: str) -> None:
        """Delete an object, if it is still the one we know."""
        kind = next(name for name, kind in KINDS.items() if kind.kind == job.kind)
        path = f"{own_collection(kind, job.namespace)}/{job.name}"
        reach("k8s_delete_before")
        body = {"propagationPolicy": propagation, "preconditions": {"uid": job.uid}}
        try:
            await self._cluster.call("DELETE", path, body=body)
        except ApiError as error:
            if error.status not in (404, 409):
                raise meaning(error) from error
        except Unreachable as error:
            raise meaning(error) from error
        reach("k8s_delete_after")

    async def _post(self, item: Json, launch: Launch) -> Json:
        """Create an object, or find that it is there already."""
        try:
            return await self._cluster.call("POST", collection_of(item), params=_WRITE, body=item)
        except Unreachable as error:
            raise meaning(error) from error
        except ApiError as error:
            if error.status != 409 or error.reason != "AlreadyExists":
                raise meaning(error) from error
        if item["kind"] == "Secret":
            return item  # it bears our id and attempt, and nobody should need the right to read secrets
        found = await self._get(item)
        name = item["metadata"]["name"]
        if found is not None and _uid(found) != launch.uid:
            raise _foreign(name)
        notes = (found or {}).get("metadata", {}).get("annotations", {})
        current = found is not None and notes.get(ATTEMPT) == str(launch.attempt)
        if found is None or not current or "deletionTimestamp" in found["metadata"]:
            raise TargetUnavailable(f"the former {item['kind']} {name} is still being removed", reason="Restarting")
        return found

    async def _get(self, item: Json) -> Json | None:
        try:
            return await self._call("GET", f"{collection_of(item)}/{item['metadata']['name']}")
        except NotFound:
            return None

    async def _call(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None = None,
        body: Json | None = None,
        content_type: str = "application/json",
    ) -> Json:
        try:
            return await self._cluster.call(method, path, params=params, body=body, content_type=content_type)
        except (ApiError, Unreachable) as error:
            if isinstance(error, ApiError) and error.status == 404 and method != "POST":
                raise NotFound(error.message) from error
            raise meaning(error) from error

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


def _uid(found: Json) -> str | None:
    uid: str | None = (found["metadata"].get("annotations") or {}).get(UID)
    return uid


def _foreign(name: str) -> TargetRefused:
    return TargetRefused(
        f"'{name}' exists on the cluster and is not of this experiment; it was left alone", reason="NameConflict"
    )


def _known(item: Json) -> bool:
    """Tell whether we have the content of an object: a row that was written again lacks secrets and code."""
    if item["kind"] == "Secret":
        return MASK not in item["stringData"].values()
    return item["kind"] != "ConfigMap" or any(item["data"].values())
