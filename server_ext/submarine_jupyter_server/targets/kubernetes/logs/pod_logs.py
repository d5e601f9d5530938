"""Collect the logs of all pods of a cluster into the archive."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from submarine_jupyter.spec.experiment_ids import is_id
from submarine_jupyter_server.targets.kubernetes.state.views import PodView

from .disk import Disk
from .follower import Follower
from .next_step import has_run
from .reading import LogApi, Shared
from .tail import Tail
from .turns import StreamTurns

log = logging.getLogger(__name__)
LIMIT = 512
# How long somebody who begins to read logs waits for what there is of them.
ATTEND_S = 2.0

_ROLE = re.compile(r"[a-z]+")
_Attempt = tuple[str, int]


class PodLogs:
    """The followers of all replicas; belongs to one event loop.

    ``runs`` is the folder of the log archive, ``cap_bytes`` what is kept of each replica's log. ``eager`` follows every
    running container, at most ``limit`` at a time; ``on-demand`` reads a log when its container has ended, and follows
    it while somebody attends.
    """

    def __init__(
        self,
        cluster: LogApi,
        runs: Path,
        *,
        cap_bytes: int,
        mode: Literal["eager", "on-demand"],
        limit: int = LIMIT,
    ) -> None:
        self._runs = runs
        self._cap_bytes = cap_bytes
        self._turns = StreamTurns(limit)
        self._shared = Shared(cluster, Disk(), self._turns, eager=mode == "eager")
        self._followers: dict[_Attempt, dict[str, Follower]] = {}
        self._finished: dict[_Attempt, asyncio.Task[None]] = {}
        self._attending: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    def put_pod(self, pod: PodView, attempt: int) -> None:
        """Record a pod of an attempt as it is now."""
        if has_run(pod) and (follower := self._follower(pod, attempt)) is not None:
            follower.put_pod(pod)

    def gone(self, pod: PodView, attempt: int) -> None:
        """Record that a pod was deleted; ``pod`` is how it was at last."""
        if has_run(pod) and (follower := self._follower(pod, attempt)) is not None:
            follower.vanish(pod)

    async def drain(self, experiment_id: str, attempt: int, seconds: float, *, longest: float = 0.0) -> bool:
        """Wait until all that the pods of an attempt have written until now is here; return False if it is not.

        While lines come, the ``seconds`` begin again, until it took ``longest``.
        """
        key = (experiment_id, attempt)
        followers = [*self._followers.get(key, {}).values()]
        waits: list[Coroutine[object, object, object]] = [follower.drain() for follower in followers]
        if key in self._finished:
            waits.append(asyncio.wait([self._finished[key]]))
        until = time.monotonic() + longest

        def patience() -> float:
            heard = max((follower.heard_at for follower in followers), default=0.0)
            return min(heard + seconds, until) - time.monotonic()

        return await _all(waits, seconds, patience)

    async def finish(self, experiment_id: str, attempt: int) -> None:
        """Mark the logs of an attempt as ended: no byte follows. It is done also if nobody awaits it any more."""
        key = (experiment_id, attempt)
        followers = self._followers.pop(key, {})
        if key not in self._finished:
            self._finished[key] = self._start(self._finish(key, followers))
        await asyncio.wait([self._finished[key]])

    @asynccontextmanager
    async def attend(self, experiment_id: str) -> AsyncIterator[None]:
        """Follow the logs of an experiment meanwhile, and begin with what there is."""
        if self._shared.eager:
            yield
            return
        self._attending[experiment_id] += 1
        try:
            await _all([follower.drain() for follower in self._of(experiment_id)], ATTEND_S)
            yield
        finally:
            self._attending[experiment_id] -= 1
            if not self._attending[experiment_id]:
                del self._attending[experiment_id]
                for follower in self._of(experiment_id):
                    follower.wake()

    def forget(self, experiment_id: str) -> None:
        """Read nothing of an experiment any more; its logs stay as they are."""
        for key in [key for key in self._followers if key[0] == experiment_id]:
            for follower in self._followers.pop(key).values():
                self._start(follower.stop())
        for key in [key for key in self._finished if key[0] == experiment_id]:
            del self._finished[key]

    def health(self) -> dict[str, Any]:
        """Return counts: streams that are open, replicas in line for one, streams opened again, gaps declared.

        ``trouble`` is why a log cannot be read now, and of how many others that is true.
        """
        found = [said for of in self._followers.values() for follower in of.values() if (said := follower.trouble)]
        more = f"; and {len(found) - 1} more" if len(found) > 1 else ""
        return {
            "following": self._turns.taken,
            "waiting": self._turns.waiting,
            "reconnects": self._shared.reconnects,
            "gaps": self._shared.gaps,
            "trouble": f"{found[0]}{more}" if found else None,
        }

    async def close(self) -> None:
        """Stop; the logs can be gone on with later."""
        followers = [follower for found in self._followers.values() for follower in found.values()]
        self._followers.clear()
        await asyncio.gather(*(follower.stop() for follower in followers))
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._shared.disk.close()

    def _of(self, experiment_id: str) -> list[Follower]:
        return [
            follower
            for (name, _), found in self._followers.items()
            if name == experiment_id
            for follower in found.values()
        ]

    def _follower(self, pod: PodView, attempt: int) -> Follower | None:
        key = (pod.experiment_id, attempt)
        # Names become folders, and who may write pods names them.
        if key in self._finished or not (is_id(pod.experiment_id) and _ROLE.fullmatch(pod.role)):
            return None
        found = self._followers.setdefault(key, {})
        if pod.replica not in found:
            tail = self._tail(self._logs(key) / pod.replica)
            found[pod.replica] = Follower(self._shared, tail, lambda: pod.experiment_id in self._attending)
        return found[pod.replica]

    def _tail(self, folder: Path) -> Tail:
        return Tail(folder, self._cap_bytes, self._shared.count_gap)

    async def _finish(self, key: _Attempt, followers: dict[str, Follower]) -> None:
        try:
            await asyncio.gather(*(follower.finish() for follower in followers.values()))
            await self._shared.disk.do(self._end_others, key, frozenset(followers))
        except OSError as error:
            log.warning("The logs of %s cannot be marked as ended: %s", key[0], error)

    def _end_others(self, key: _Attempt, known: frozenset[str]) -> None:
        """End the logs of replicas that were gone before this server was there. Blocks."""
        with suppress(FileNotFoundError):
            for folder in self._logs(key).iterdir():
                if folder.name not in known:
                    tail = self._tail(folder)
                    tail.open()
                    tail.end(lost=tail.sources.unfinished)

    def _logs(self, key: _Attempt) -> Path:
        return self._runs / key[0] / str(key[1]) / "logs"

    def _start(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _all(
    waits: list[Coroutine[object, object, object]], seconds: float, more: Callable[[], float] = lambda: 0.0
) -> bool:
    """Await all, for so long and for as many seconds ``more`` as there are then; return whether that was enough."""
    waiting = {asyncio.ensure_future(wait) for wait in waits}
    try:
        while waiting and seconds > 0:
            _, waiting = await asyncio.wait(waiting, timeout=seconds)
            seconds = more()
        return not waiting
    finally:
        for task in waiting:
            task.cancel()
        if waiting:
            await asyncio.wait(waiting)
