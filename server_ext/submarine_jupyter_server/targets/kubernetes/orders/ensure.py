"""Carry out what is ordered: make, scale, replace; `Endings` stops and deletes.

Names are fixed and every order may be given again, so an answer that did not come is found out by asking: an object
that bears the token of the order is ours.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from submarine_jupyter.errors import InvalidSpec, NotFound, TargetRefused, TargetUnavailable
from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter_server.process.failpoints import reach
from submarine_jupyter_server.targets.kubernetes.api.object_calls import MERGE, WRITE, ObjectCalls
from submarine_jupyter_server.targets.kubernetes.api.paths import collection_of
from submarine_jupyter_server.targets.kubernetes.manifests import (
    KINDS,
    ClusterOptions,
    Rendered,
    changes,
    choose,
    owned,
    render,
)
from submarine_jupyter_server.targets.kubernetes.manifests.recognition.own_record import own_name
from submarine_jupyter_server.targets.kubernetes.manifests.recognition.seal import has_token
from submarine_jupyter_server.targets.kubernetes.raw_json import Json
from submarine_jupyter_server.targets.kubernetes.state.experiment_state import ExperimentState
from submarine_jupyter_server.targets.kubernetes.watch.watches import Watches
from submarine_jupyter_server.targets.protocol import Launch, Made, ObjectRef

from .create import make, notes_of, ref_of
from .end import Endings
from .record_keeping import RecordKeeper


class Orders:
    """Gives orders about experiments to one cluster; ``served`` are the kinds that it serves and we may use."""

    def __init__(
        self,
        calls: ObjectCalls,
        watches: Watches,
        endings: Endings,
        records: RecordKeeper,
        options: ClusterOptions,
        served: frozenset[str],
    ) -> None:
        self._calls = calls
        self._watches = watches
        self._endings = endings
        self._records = records
        self._options = options
        self.served = served

    async def ensure(self, state: ExperimentState, launch: Launch, ready: Rendered | None = None) -> Made:
        """Make it so; return what was made. ``ready``: the launch as it is rendered, where that is known.

        Raises TargetRefused, TargetUnavailable, Conflict.
        """
        await self.find(state, launch)
        made = state.made
        if made is not None and made.uid != launch.uid:
            raise TargetRefused(f"{launch.experiment_id} is another experiment on the cluster", reason="NameConflict")
        if made is not None and made.attempt > launch.attempt:
            return made  # a late order: what it is about was replaced
        former = made is not None and (made.attempt < launch.attempt or state.own is None or state.own.deleting)
        if former or state.ending:
            await self._endings.end(state, "Restarting")
            made = None
        if made is None:
            await self._make(state, launch)
        elif made.generation == 0:
            await self._complete(state, launch, self._objects(state, launch), generation=0)
        if state.made is not None and state.made.generation < launch.generation:
            await self._scale(state, state.made, launch, ready)
        assert state.made is not None  # noqa: S101 - for the type checker
        return state.made

    async def plan(self, launch: Launch) -> list[Json]:
        """Return the objects of a launch after the cluster has said that it would take them."""
        objects = render(launch, kind=self.choose(launch), namespace=_namespace(launch), options=self._options)
        rehearsal = {**WRITE, "dryRun": "All"}
        calls = [self._calls.call("POST", collection_of(item), params=rehearsal, body=item) for item in objects]
        await asyncio.gather(*calls)
        return objects

    async def find(self, state: ExperimentState, launch: Launch) -> None:
        """Find what was made while the answer did not come, or what no stream reports."""
        ref = state.ref if state.own is None else None
        if ref is not None and (found := await self._calls.find(ref)) is not None:
            self._watches.merge(ref, found)
        if not state.unmade:
            return
        refs = list(self._watches.ownership.bearing_token(state))
        # A stream may be behind what was to be made by a request whose answer did not come.
        asked = {*self._unlisted(launch), *([state.kind] if state.kind else [])}
        named = [await self._bearing(kind, launch) for kind in sorted(asked)]
        refs += [ref for ref in named if ref is not None and ref not in refs]
        # Jobs of the other roles bear a token too; without the own object they are about to go.
        own = [ref for ref in refs if ref.name == own_name(ref.kind, launch.spec, launch.experiment_id)]
        if own:
            self._claim(state, launch, [*own, *(ref for ref in refs if ref not in own)], generation=0)

    def choose(self, launch: Launch) -> str:
        """Return the kind an experiment becomes on this cluster."""
        unlisted = {KINDS[kind].kind for kind in self._unlisted(launch)}
        return kind_of(launch.spec, self.served - unlisted, self._options)

    def _unlisted(self, launch: Launch) -> list[str]:
        return sorted(self._watches.unlisted(_namespace(launch)))

    async def _bearing(self, kind: str, launch: Launch) -> ObjectRef | None:
        """Return the object of a kind that bears the token of a launch."""
        known = KINDS[kind]
        name = own_name(known.kind, launch.spec, launch.experiment_id)
        place = {"name": name, "namespace": _namespace(launch)}
        try:
            found = await self._calls.get({"apiVersion": known.api_version, "kind": known.kind, "metadata": place})
        except TargetUnavailable as error:
            if error.reason == "KindGone":
                return None
            raise
        if found is None or not has_token(self._options.key, notes_of(found), launch, ref_of(found, known.kind)):
            return None
        ref = ref_of(found, known.kind)
        self._watches.merge(ref, found)
        return ref

    def _claim(self, state: ExperimentState, launch: Launch, refs: list[ObjectRef], *, generation: int) -> None:
        made = Made(launch.experiment_id, launch.uid, launch.attempt, generation, tuple(refs))
        self._watches.claim(state, made)

    async def _make(self, state: ExperimentState, launch: Launch) -> None:
        state.begin()
        # Kept from here on, while there is such a kind: should the answer not come, only this has to be tried again.
        if state.kind is None or not self._watches.follows(state.kind, _namespace(launch)):
            state.kind = self.choose(launch)
        objects = self._objects(state, launch)
        reach("k8s_create_before")
        try:
            found, fresh = await make(self._calls, objects[0], launch, self._options.key)
        except (TargetRefused, InvalidSpec):
            state.kind = None
            raise
        reach("k8s_create_after")
        ref = ref_of(found, objects[0]["kind"])
        # Before it is claimed: what is made, and not known to be there, would seem to have vanished.
        self._watches.merge(ref, found)
        # What was there already may have been made for an earlier change: it is brought up to this one.
        generation = launch.generation if fresh else 0
        self._claim(state, launch, [ref], generation=0 if len(objects) > 1 else generation)
        if len(objects) > 1:
            await self._complete(state, launch, objects, generation=generation)

    async def _complete(self, state: ExperimentState, launch: Launch, objects: list[Json], *, generation: int) -> None:
        """Make what the own object owns; it does not stay without that."""
        assert state.ref is not None  # noqa: S101 - for the type checker
        rest = owned(objects, state.ref.uid)
        reach("k8s_owned_before")
        try:
            every = await asyncio.gather(*(make(self._calls, item, launch, self._options.key) for item in rest))
        except (TargetRefused, InvalidSpec):
            await self._endings.begin(state, "Background")
            raise
        reach("k8s_owned_after")
        found = [(ref_of(item, kind["kind"]), item) for kind, (item, _) in zip(rest, every, strict=True)]
        for ref, item in found:
            self._watches.merge(ref, item)
        self._claim(state, launch, [state.ref, *(ref for ref, _ in found)], generation=generation)

    async def _scale(self, state: ExperimentState, made: Made, launch: Launch, ready: Rendered | None) -> None:
        kind, namespace = state.kind or "", _namespace(launch)
        refs = {(ref.kind, ref.name): ref for ref in made.objects}
        for patch in changes(launch, kind=kind, namespace=namespace, options=self._options, ready=ready):
            item = {"apiVersion": patch.api_version, "kind": patch.kind, "metadata": {"namespace": namespace}}
            ref, body = refs.get((patch.kind, patch.name)), patch.body
            if ref is not None:
                # With another uid rejected by the cluster: somebody has put another object in its place.
                marks = self._records.signed(launch, ref) if ref == made.objects[0] else {}
                meta = {"uid": ref.uid, **({"annotations": marks} if marks else {})}
                body = {**body, "metadata": {**body.get("metadata", {}), **meta}}
            reach("k8s_patch_before")
            path = f"{collection_of(item)}/{patch.name}"
            try:
                changed = await self._calls.call("PATCH", path, params=WRITE, body=body, content_type=MERGE)
            except NotFound as error:
                raise TargetUnavailable(f"{patch.name} is no longer on the cluster", reason="Restarting") from error
            reach("k8s_patch_after")
            if ref is not None:
                self._watches.merge(ref, changed)
        self._watches.claim(state, replace(made, generation=launch.generation))

    def _objects(self, state: ExperimentState, launch: Launch) -> list[Json]:
        return render(launch, kind=state.kind or "", namespace=_namespace(launch), options=self._options)


def kind_of(spec: ExperimentSpec, served: frozenset[str], options: ClusterOptions) -> str:
    """Return the kind an experiment becomes on a cluster."""
    queue = (spec.runtime.queue if spec.runtime else None) or options.queue
    return choose(spec.meta.framework, served, queue, spec=spec)


def _namespace(launch: Launch) -> str:
    return launch.spec.meta.namespace or "default"
