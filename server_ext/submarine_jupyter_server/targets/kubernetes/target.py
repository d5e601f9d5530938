"""The compute target ``kubernetes``: the ComputeTarget protocol on a cluster."""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from pathlib import Path

from submarine_jupyter.errors import TargetRefused, TargetUnavailable
from submarine_jupyter.models import ExperimentSpec, Status
from submarine_jupyter_server.targets.base import Doubt, Found, Inventory, Launch, Observation, Sink

from .attachment import Attachment
from .cluster import ApiError, Unreachable
from .manifests import refuse, scale
from .observing import observed, stopped
from .orders import before_change, kind_of
from .refusals import meaning
from .settings import KubernetesSettings
from .tracked import Tracked

log = logging.getLogger(__name__)


class KubernetesTarget:
    """Runs replicas as pods; ``instance`` tells this server's experiments from those of others in a namespace.

    ``runs`` is the folder of the log archive, ``log_cap`` the bytes kept of each replica's output.
    """

    kind = "kubernetes"

    def __init__(self, settings: KubernetesSettings, *, instance: str, runs: Path, log_cap: int) -> None:
        self.name = settings.name
        self._attachment = Attachment(settings, instance=instance, runs=runs, log_cap=log_cap)
        self._runs = runs

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Return the namespaces experiments may name, the default first."""
        return self._attachment.namespaces

    def check(self, spec: ExperimentSpec) -> None:
        """Refuse what can never run on a cluster. Raises InvalidSpec."""
        options = self._attachment.options
        refuse(spec, kind=kind_of(spec, self._attachment.served, options), options=options)

    def check_change(self, old: Launch, new: Launch) -> None:
        """Refuse what cannot change while it runs. Raises Conflict, which says what is possible."""
        tracked = self._attachment.experiments.get(new.experiment_id)
        if tracked is None or tracked.own is None or tracked.kind is None:
            return
        before = before_change(tracked, new)
        if before is not None:
            namespace = new.spec.meta.namespace or ""
            scale(before, new, kind=tracked.kind, namespace=namespace, options=self._attachment.options)

    async def render(self, launch: Launch) -> list[dict[str, object]]:
        """Return the objects, which the cluster has been asked about (a server-side dry run)."""
        return [dict(item) for item in await self._attachment.link().orders.plan(launch)]

    async def start(self, sink: Sink, doubt: Doubt) -> None:
        """Begin to observe as soon as the cluster answers."""
        await self._attachment.start(sink, doubt)

    async def ensure(self, launch: Launch) -> None:
        """Make it so. Raises TargetRefused, TargetUnavailable, Conflict."""
        self._attachment.look_for_kinds()
        link = self._attachment.link(launch.spec.meta.namespace)
        tracked = link.watches.track(launch)
        try:
            async with tracked.lock:
                with self._doubting():
                    await link.orders.look(tracked, launch)
                    await link.orders.ensure(tracked, launch)
        except TargetRefused:
            if tracked.empty:
                link.watches.forget(tracked)
            raise
        link.observer.touch(tracked)

    async def stop(self, launch: Launch) -> None:
        """End the replicas; the end is told when they are gone."""
        link = self._attachment.link(launch.spec.meta.namespace)
        tracked = link.watches.track(launch)
        async with tracked.lock:
            with self._doubting():
                await link.orders.look(tracked, launch)
                before = self._last(tracked, launch)
                await link.orders.end(tracked, "Stopping")
            await link.observer.tell(tracked, stopped(before, "Stopped", "it was stopped"))
        link.watches.forget(tracked)

    async def delete(self, experiment_id: str, uid: str) -> None:
        """Remove its objects from the cluster, its logs kept."""
        link = self._attachment.link()
        tracked = link.watches.experiments.get(experiment_id)
        if tracked is None or (tracked.own is not None and tracked.own.intent_uid != uid):
            return
        async with tracked.lock:
            with self._doubting():
                if tracked.launch is not None:
                    await link.orders.look(tracked, tracked.launch)
                await link.orders.delete(tracked)
        if tracked.empty:
            link.watches.forget(tracked)

    async def purge(self, experiment_id: str, uid: str) -> None:
        """Remove its objects and its logs."""
        await self.delete(experiment_id, uid)
        if self._attachment.logs is not None:
            self._attachment.logs.forget(experiment_id)
        folder = self._runs / experiment_id
        if folder.parent == self._runs and folder.name.startswith("experiment-"):
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def inventory(self, settled: Collection[str] = ()) -> Inventory:
        """Return what is on the cluster, from the streams. Raises TargetUnavailable before they are complete."""
        link = self._attachment.link()
        found = [self._found(tracked) for tracked in link.watches.experiments.values() if tracked.own is not None]
        known = {item.experiment_id for item in found}
        unreadable = (Found(name, None, False, None) for name in link.watches.unreadable() - known)
        return Inventory((*found, *unreadable), link.watches.seen)

    def attend(self, experiment_id: str) -> AbstractAsyncContextManager[None]:
        """Follow the logs of an experiment while somebody reads them, where they are not followed anyway."""
        logs = self._attachment.logs
        return nullcontext() if logs is None else logs.attend(experiment_id)

    async def capacity(self) -> dict[str, object]:
        """Return what the cluster has and what is free, as far as this server may know."""
        try:
            return await self._attachment.link().capacity.capacity()
        except (ApiError, Unreachable) as error:
            raise meaning(error) from error

    def health(self) -> dict[str, object]:
        """Return whether the cluster answers, how the streams are, and which rights are missing."""
        return self._attachment.health()

    async def close(self) -> None:
        """Stop observing; what runs goes on."""
        await self._attachment.close()

    @contextmanager
    def _doubting(self) -> Iterator[None]:
        """Believe that a right is missing only where some are known to be: a restarted server grants none at first."""
        try:
            yield
        except TargetRefused as error:
            if error.reason == "NoPermission" and not self._attachment.lacks_rights:
                raise TargetUnavailable(error.message, hint=error.hint, reason=error.reason) from error
            raise

    def _found(self, tracked: Tracked) -> Found:
        own, seen = tracked.own, tracked.seen()
        assert own is not None  # noqa: S101 - for the type checker
        launch = tracked.recorded() or tracked.launch
        if seen is None or launch is None:
            return Found(tracked.experiment_id, None, own.deleting, None)
        now = tracked.told if tracked.ending and tracked.told is not None else observed(tracked, seen)
        return Found(tracked.experiment_id, launch, own.deleting or tracked.ending, now)

    def _last(self, tracked: Tracked, launch: Launch) -> Observation:
        if tracked.ending and tracked.told is not None:
            return tracked.told  # an earlier try has begun to remove what there was to see
        seen = tracked.seen()
        if seen is not None and tracked.own is not None and tracked.kind is not None:
            return observed(tracked, seen)
        return tracked.told or Observation(
            launch.experiment_id, launch.uid, launch.attempt, launch.generation, Status.ACCEPTED, _now()
        )


def _now() -> int:
    return time.time_ns() // 1_000_000
