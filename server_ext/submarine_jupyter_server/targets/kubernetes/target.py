"""The compute target ``kubernetes``: the ComputeTarget protocol on a cluster."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from submarine_jupyter.errors import NotFound, TargetRefused, TargetUnavailable
from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter.spec.experiment_ids import is_id
from submarine_jupyter_server.targets import tombstones
from submarine_jupyter_server.targets.protocol import (
    Absence,
    Doubt,
    Forecast,
    Found,
    Inventory,
    Launch,
    Made,
    Observation,
    Recall,
    Sink,
)

from .api.cluster import ApiError, Unreachable
from .api.verdicts import meaning
from .connection.cluster_connection import ClusterConnection
from .connection.connector import Connector
from .forecast.places import place_of
from .forecast.reading import forecast
from .manifests import Rendered, check, refuse
from .manifests.recognition.metadata import GENERATION
from .manifests.recognition.own_record import record
from .orders.end import left_of
from .orders.ensure import kind_of
from .reporting.reporter import observed, stopped, unended
from .settings import KubernetesSettings
from .state.experiment_state import ExperimentState
from .state.ownership import Signature
from .state.views import JobView
from .watch.watches import Watches

log = logging.getLogger(__name__)


class KubernetesTarget:
    """Runs replicas as pods; ``instance`` tells this server's experiments from those of others in a namespace.

    ``runs`` is the folder of the log archive, ``log_cap`` the bytes kept of each replica's output. With ``key`` the
    records on the cluster are signed, from which lost rows are written again.
    """

    kind = "kubernetes"

    def __init__(
        self, settings: KubernetesSettings, *, instance: str, runs: Path, log_cap: int, key: bytes = b""
    ) -> None:
        self.name = settings.name
        self._connector = Connector(settings, Signature(key, instance, settings.name), runs=runs, log_cap=log_cap)
        self._runs = runs

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Return the namespaces experiments may name, the default first."""
        return self._connector.namespaces

    def check(self, spec: ExperimentSpec) -> None:
        """Refuse what can never run on a cluster. Raises InvalidSpec."""
        options = self._connector.options
        refuse(spec, kind=kind_of(spec, self._connector.served, options), options=options)

    def check_change(self, old: Launch, new: Launch) -> Rendered | None:
        """Refuse what cannot change while it runs. Raises Conflict, which says what is possible."""
        state = self._connector.experiments.get(new.experiment_id)
        if state is not None and state.made is not None and state.kind is not None:
            return check(old, new, kind=state.kind, options=self._connector.options)
        return None

    async def render(self, launch: Launch) -> list[dict[str, object]]:
        """Return the objects, which the cluster has been asked about (a server-side dry run)."""
        return [dict(item) for item in await self._connector.connection().orders.plan(launch)]

    async def forecast(self, launch: Launch, capacity: Mapping[str, Any] | None = None) -> Forecast:
        """Return whether quotas, queue and nodes have room for it, as far as this server may read them."""
        known = self._connector.connection(launch.spec.meta.namespace)
        return await forecast(known.cluster, known.capacity, known.watches.experiments, launch, self._connector.options)

    def place(self, experiment_id: str) -> Forecast | None:
        """Return at which place of its queue it waits, where Kueue publishes that."""
        return place_of(experiment_id, self._connector.experiments)

    async def start(self, sink: Sink, doubt: Doubt, made: Collection[Made] = (), recall: Recall | None = None) -> None:
        """Begin to observe as soon as the cluster answers."""
        await self._connector.start(sink, doubt, made, recall)

    async def ensure(self, launch: Launch) -> Made:
        """Make it so; return what was made. Raises TargetRefused, TargetUnavailable, Conflict."""
        ready, launch = launch.prepared, replace(launch, prepared=None)  # what is followed needs it no more
        self._connector.refresh_kinds()
        connection = self._connector.connection(launch.spec.meta.namespace)
        state = connection.watches.track(launch)
        try:
            async with state.lock, self._doubting():
                made = await connection.orders.ensure(state, launch, ready if isinstance(ready, Rendered) else None)
        except TargetRefused:
            if state.empty and state.made is None:
                connection.watches.forget(state)
            raise
        connection.reporter.touch(state)
        return made

    async def stop(self, launch: Launch) -> None:
        """End the replicas; the end is reported when they are gone."""
        connection = self._connector.connection(launch.spec.meta.namespace)
        state = connection.watches.track(launch)
        try:
            async with state.lock, self._doubting():
                await self._remember(state, connection)
                await connection.orders.find(state, launch)
                before = _last(state, launch)
                if _ended_by_itself(state, before):
                    state.ending = False
                else:
                    await connection.endings.end(state, "Stopping")
                    await connection.reporter.report(state, stopped(before, "Stopped", left_of(state).stopped()))
        finally:
            connection.reporter.touch(state)  # it goes on where that was refused
        if not state.over:
            await connection.reporter.ended(state)
        elif state.empty:
            connection.watches.forget(state)

    async def delete(self, experiment_id: str, uid: str) -> None:
        """Remove its objects from the cluster, its logs kept."""
        connection = self._connector.connection()
        await asyncio.to_thread(tombstones.bury, self._folder(experiment_id))
        state = connection.watches.ownership.state_of(experiment_id)
        try:
            async with state.lock, self._doubting():
                await self._delete(state, uid, connection)
        finally:
            connection.reporter.touch(state)
        if state.empty:
            connection.watches.forget(state)

    async def _delete(self, state: ExperimentState, uid: str, connection: ClusterConnection) -> None:
        remembered = await self._remember(state, connection)
        if state.launch is None or state.launch.uid != uid:
            return
        try:
            await connection.orders.find(state, state.launch)
            await connection.endings.delete(state)
        except (TargetRefused, TargetUnavailable) as error:
            gone = remembered and state.empty and not state.unmade
            if not gone or error.reason != "NoPermission":
                raise
            # It was gone long ago, and so may be the rights in its namespace.
            log.info("What may be left of %s cannot be removed: %s", state.experiment_id, error)

    async def _remember(self, state: ExperimentState, connection: ClusterConnection) -> bool:
        """Recall what is forgotten of an experiment; return whether that is what was made for it.

        Its token says nothing any more once something was made that bears it: everybody can read that.
        """
        if state.launch is not None and state.made is not None:
            return False
        if (known := await connection.recall(state.experiment_id)) is None:
            return False
        if state.launch is None:
            state.launch = known.launch
        if state.made is not None or known.made is None:
            return False
        state.settled = not known.live
        connection.watches.claim(state, known.made)
        return True

    async def purge(self, experiment_id: str, uid: str) -> None:
        """Remove its objects and its logs."""
        await self.delete(experiment_id, uid)
        if self._connector.logs is not None:
            self._connector.logs.forget(experiment_id)
        await asyncio.to_thread(tombstones.clear, self._folder(experiment_id))

    async def inventory(self, settled: Collection[str] = ()) -> Inventory:
        """Return what is on the cluster, from the streams. Raises TargetUnavailable before they are complete.

        ``settled`` are read all the same: they are known. What has vanished is unknown until its loss is confirmed, and
        nothing is said of a namespace while one of its streams is not up to date.
        """
        watches = self._connector.connection().watches
        every = [state for state in watches.experiments.values() if state.made is not None]
        found = [_found_of(state, state.own, watches) for state in every if state.own is not None]
        known = {item.experiment_id for item in found}
        # Objects leave nothing behind: only here is known what was deleted, for a database that does not.
        buried = [] if settled else await asyncio.to_thread(tombstones.all_of, self._runs)
        gone = (Found(name, None, deleted=True, observation=None, buried=True) for name in buried if name not in known)
        doubtful = {state.experiment_id for state in every if state.vanished}
        doubtful |= {state.experiment_id for state in watches.experiments.values() if state.lock.locked()}
        return Inventory((*found, *gone), watches.whole, frozenset(doubtful | watches.unreadable()) - known)

    async def absence(self, experiment_id: str) -> Absence:
        """Report that nothing is known of it: what became of all that was made is found out from the streams' news."""
        connection = self._connector.connection()
        state = connection.watches.experiments.get(experiment_id)
        if state is not None and state.vanished:
            raise TargetUnavailable(f"the server is still finding out why {experiment_id} is gone")
        return Absence("Lost", "it is not on the cluster, and the server does not know what was created for it there")

    def _folder(self, experiment_id: str) -> Path:
        if not is_id(experiment_id):
            raise NotFound(f"{experiment_id[:80]!r} is not the id of an experiment")
        return self._runs / experiment_id

    async def conclude(self, experiment_id: str, attempt: int) -> None:
        """Close the logs of an attempt that is gone, with a gap where they lack their end."""
        if self._connector.logs is not None:
            await self._connector.logs.finish(experiment_id, attempt)

    def attend(self, experiment_id: str) -> AbstractAsyncContextManager[None]:
        """Follow the logs of an experiment while somebody reads them, where they are not followed anyway."""
        logs = self._connector.logs
        return nullcontext() if logs is None else logs.attend(experiment_id)

    async def capacity(self) -> dict[str, object]:
        """Return what the cluster has and what is free, as far as this server may know."""
        self._connector.refresh_kinds()  # queues may have come
        try:
            return await self._connector.connection().capacity.capacity()
        except (ApiError, Unreachable) as error:
            raise meaning(error) from error

    def health(self) -> dict[str, object]:
        """Return whether the cluster answers, how the streams are, and which rights are missing."""
        return self._connector.health()

    async def close(self) -> None:
        """Stop observing; what runs goes on."""
        await self._connector.close()

    @asynccontextmanager
    async def _doubting(self) -> AsyncIterator[None]:
        """Believe that a right is missing only if the cluster says so when it is asked."""
        try:
            yield
        except TargetUnavailable as error:
            if error.reason == "KindGone":
                await self._connector.ask_for_kinds()
            raise
        except TargetRefused as error:
            if error.reason == "NoPermission" and not await self._connector.lacks_right(error.message):
                raise TargetUnavailable(error.message, hint=error.hint, reason=error.reason) from error
            raise


def _found_of(state: ExperimentState, own: JobView, watches: Watches) -> Found:
    try:
        return _found(state, own, watches)
    except Exception:
        log.exception("%s cannot be reported", state.experiment_id)
        return Found(state.experiment_id, None, own.deleting, None)


def _found(state: ExperimentState, own: JobView, watches: Watches) -> Found:
    snapshot, reported, deleted = state.snapshot(), state.reported, own.deleting or state.ending
    launch = _recorded(state, own, watches)
    if snapshot is None:
        return Found(state.experiment_id, None, deleted, None, made=state.made)
    if reported is None or not (state.ending or state.over):
        reported = unended(state, observed(state, snapshot))
    authentic = launch is not None
    return Found(state.experiment_id, launch, deleted, reported, authentic=authentic, made=state.made)


def _recorded(state: ExperimentState, own: JobView, watches: Watches) -> Launch | None:
    """Return what a signed record says that is newer than all that the database knew."""
    notes, made = dict(own.notes), state.made
    number = notes.get(GENERATION, "")
    newer = made is not None and number.isdecimal() and len(number) < 10 and int(number) > made.generation
    if not (state.authentic or newer) or not watches.ownership.signature.is_on(own):
        return None
    return record(notes, own.ref, state.experiment_id)


def _last(state: ExperimentState, launch: Launch) -> Observation:
    """Return how the attempt of a launch was before its end was ordered."""
    reported, snapshot = state.reported, state.snapshot()
    if state.own is None and reported is not None and reported.attempt == launch.attempt:
        return reported  # an earlier try has begun to remove what there was to see
    assert snapshot is not None  # noqa: S101 - for the type checker: its launch is known
    return observed(state, snapshot)


def _ended_by_itself(state: ExperimentState, before: Observation) -> bool:
    """Return whether an attempt had come to its end before a stop came."""
    return before.status.final and state.own is not None and not state.own.deleting
