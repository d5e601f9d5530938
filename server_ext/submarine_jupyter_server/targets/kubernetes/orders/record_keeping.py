"""Keep the record on each own object signed, and give it its time to live once its end is stored.

A record can only be signed for an object whose uid is known, so that is done some seconds after it was made: those who
wait for the answer do not wait for this. What others write into a record is written over. A time to live from the
start would let the cluster remove the result of what ends while no server is there to see it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from submarine_jupyter.backoff import Backoff
from submarine_jupyter.errors import SubmarineError
from submarine_jupyter_server.targets.kubernetes.api.object_calls import MERGE, ObjectCalls
from submarine_jupyter_server.targets.kubernetes.api.paths import path_of
from submarine_jupyter_server.targets.kubernetes.manifests import ClusterOptions, time_to_live
from submarine_jupyter_server.targets.kubernetes.manifests.draft import Draft
from submarine_jupyter_server.targets.kubernetes.manifests.recognition.metadata import own_metadata
from submarine_jupyter_server.targets.kubernetes.manifests.recognition.seal import SEAL, TOKEN, seal, token
from submarine_jupyter_server.targets.kubernetes.raw_json import Json
from submarine_jupyter_server.targets.kubernetes.state.experiment_state import ExperimentState
from submarine_jupyter_server.targets.kubernetes.state.ownership import Signature
from submarine_jupyter_server.targets.kubernetes.state.views import JobView
from submarine_jupyter_server.targets.protocol import Launch, ObjectRef

log = logging.getLogger(__name__)
# An experiment that ends sooner is signed with its end.
_LATER_S = 5.0
# So many are signed at a time: nobody waits for it.
_AT_ONCE = 4


class RecordKeeper:
    """Writes the records of one cluster; ``merge`` is given each answer."""

    def __init__(
        self,
        calls: ObjectCalls,
        merge: Callable[[ObjectRef, Json], None],
        options: ClusterOptions,
        signature: Signature,
    ) -> None:
        self._calls = calls
        self._merge = merge
        self._options = options
        self._signature = signature
        self._alarms: dict[str, asyncio.TimerHandle] = {}
        self._pauses: dict[str, Backoff] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Semaphore(_AT_ONCE)

    def signed(self, launch: Launch, ref: ObjectRef) -> dict[str, str]:
        """Return the annotations of an own object that record its experiment, signed."""
        draft = Draft.of(launch, ref.namespace, self._options)
        notes: dict[str, str] = own_metadata(draft, ref.name)["annotations"]
        ours = self._signature
        notes[TOKEN] = token(ours.key, launch, ref.kind, ref.namespace, ref.name)
        notes[SEAL] = seal(ours.key, notes, ref, launch.experiment_id, ours.instance, ours.target)
        return notes

    def watch(self, state: ExperimentState) -> None:
        """Keep the record of an experiment as it should be; called for every change, so it is cheap."""
        key = state.experiment_id
        if self._unsigned(state) is None:
            if key in self._alarms:
                self._alarms.pop(key).cancel()
            self._pauses.pop(key, None)
        elif key not in self._alarms:
            pause = self._pauses.get(key)
            self._set(state, _LATER_S if pause is None else pause.failed())

    async def conclude(self, state: ExperimentState) -> None:
        """Give what has ended, and whose end is stored, its time to live. Raises TargetRefused, TargetUnavailable."""
        launch, own = state.launch, state.own
        if launch is None or own is None or own.deleting or state.made is None:
            return
        patch = None if own.expires else time_to_live(launch, own.ref, self._options)
        body = dict(patch.body) if patch is not None else {}
        if self._unsigned(state) is not None:
            body |= {"metadata": {"annotations": self.signed(launch, own.ref)}}
        if body:
            await self._write(own.ref, body)

    async def close(self) -> None:
        """Stop."""
        for alarm in self._alarms.values():
            alarm.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _unsigned(self, state: ExperimentState) -> JobView | None:
        """Return the own object whose record is to be signed."""
        own = state.own
        if own is None or own.deleting or state.launch is None or state.ending or not self._signature.key:
            return None
        if state.made is None or state.made.generation != state.launch.generation:
            return None  # the order that is under way signs
        if state.read is None or state.read[0] != own.notes:
            state.read = own.notes, self._signature.is_on(own)
        return None if state.read[1] else own

    def _set(self, state: ExperimentState, seconds: float) -> None:
        key = state.experiment_id
        self._alarms[key] = asyncio.get_running_loop().call_later(seconds, self._due, state)

    def _due(self, state: ExperimentState) -> None:
        task = asyncio.ensure_future(self._sign(state))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _sign(self, state: ExperimentState) -> None:
        key = state.experiment_id
        try:
            async with self._turns:
                own, launch = self._unsigned(state), state.launch
                if own is None or launch is None:
                    return
                self._pauses.setdefault(key, Backoff())
                await self._write(own.ref, {"metadata": {"annotations": self.signed(launch, own.ref)}})
        except SubmarineError as error:
            log.info("The record of %s cannot be signed now: %s", key, error)
        except Exception:
            log.exception("The record of %s cannot be signed", key)
        finally:
            self._alarms.pop(key, None)
            if self._unsigned(state) is not None:
                self.watch(state)

    async def _write(self, ref: ObjectRef, body: Json) -> None:
        meta: dict[str, Any] = {**body.get("metadata", {}), "uid": ref.uid}
        body = {**body, "metadata": meta}
        self._merge(ref, await self._calls.call("PATCH", path_of(ref), body=body, content_type=MERGE))
