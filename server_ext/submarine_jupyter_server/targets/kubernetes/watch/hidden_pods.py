"""Replicas that no stream reports, because somebody took or changed their labels: each is asked for by its name.

A stream says of such a pod that it was deleted, exactly as of one that is gone. This server may not write labels of
pods, so it cannot put them back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from submarine_jupyter.errors import SubmarineError
from submarine_jupyter_server.targets.kubernetes.api.object_calls import ObjectCalls
from submarine_jupyter_server.targets.kubernetes.api.paths import collection
from submarine_jupyter_server.targets.kubernetes.manifests import OWN_KINDS
from submarine_jupyter_server.targets.kubernetes.raw_json import Json
from submarine_jupyter_server.targets.kubernetes.state import projection
from submarine_jupyter_server.targets.kubernetes.state.experiment_state import ExperimentState
from submarine_jupyter_server.targets.kubernetes.state.views import PodView

log = logging.getLogger(__name__)
POLL_S = 5.0
# After a restart many may be sought.
_AT_ONCE = 4


class HiddenPods:
    """Asks for pods one by one; ``put`` and ``drop`` take them as they would come from a stream.

    ``labels`` are those by which streams find what is ours.
    """

    def __init__(
        self,
        calls: ObjectCalls,
        labels: dict[str, str],
        put: Callable[[PodView], None],
        drop: Callable[[PodView], None],
    ) -> None:
        self._calls = calls
        self._labels = labels
        self._put, self._drop = put, drop
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._sought: set[str] = set()
        self._turns = asyncio.Semaphore(_AT_ONCE)

    def suspect(self, state: ExperimentState | None, pod: PodView) -> bool:
        """Return whether a pod that a stream says is deleted may be there all the same; then it is asked for."""
        if state is None or state.ending or state.over or state.own is None or state.own.deleting:
            return False
        if pod.deleting or pod.phase in ("Succeeded", "Failed"):
            return False  # those the cluster does remove
        self._follow(pod)
        return True

    def seek(self, state: ExperimentState) -> None:
        """Ask once for what was hidden before this server was there, if replicas are missing that its owner wants."""
        own, key = state.own, state.experiment_id
        if own is None or own.suspended or own.deleting or own.finished_ms is not None or key in self._sought:
            return
        wanted = sum(count for job in (own, *state.jobs.values()) for _, count in job.replicas)
        if len(state.pods) < wanted:
            self._sought.add(key)
            self._tasks[key] = asyncio.create_task(self._seek(state), name=f"hidden pods of {key}")

    async def close(self) -> None:
        """Stop asking."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _follow(self, pod: PodView) -> None:
        if pod.uid not in self._tasks:
            self._tasks[pod.uid] = asyncio.create_task(self._poll(pod), name=f"hidden pod {pod.name}")

    async def _poll(self, pod: PodView) -> None:
        item = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod.name, "namespace": pod.namespace}}
        try:
            while True:
                try:
                    found = await self._calls.get(item)
                except SubmarineError:
                    pass  # whoever does not answer has said nothing
                else:
                    if found is None or found["metadata"]["uid"] != pod.uid:
                        break
                    self._put(projection.pod(found))
                    if self._is_labelled(found):
                        return  # its stream tells of it again
                await asyncio.sleep(POLL_S)
            self._drop(pod)
        except Exception:
            log.exception("The pod %s cannot be followed", pod.name)
            self._drop(pod)
        finally:
            del self._tasks[pod.uid]

    async def _seek(self, state: ExperimentState) -> None:
        try:
            for ref in state.made.objects if state.made is not None else ():
                if (kind := OWN_KINDS.get(ref.kind)) is None:
                    continue
                path = collection("v1", "pods", ref.namespace)
                async with self._turns:
                    found = await self._calls.call(
                        "GET", path, params={"labelSelector": f"{kind.pod_label}={ref.name}"}
                    )
                for item in found.get("items") or ():
                    if not self._is_labelled(item) and (pod := projection.pod(item)).owner_uid in state.known:
                        self._put(pod)
                        self._follow(pod)
        except (SubmarineError, ValueError) as error:
            log.info("Hidden pods of %s cannot be sought: %s", state.experiment_id, error)
        finally:
            del self._tasks[state.experiment_id]

    def _is_labelled(self, item: Json) -> bool:
        labels = item["metadata"].get("labels") or {}
        return all(labels.get(name) == value for name, value in self._labels.items())
