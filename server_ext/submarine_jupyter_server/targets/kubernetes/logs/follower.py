"""Follow one replica: all runs of the container in all its pods, one after the other, into one log."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from submarine_jupyter_server.targets.kubernetes.backoff import Backoff
from submarine_jupyter_server.targets.kubernetes.errors import ApiError, Unreachable
from submarine_jupyter_server.targets.kubernetes.views import PodView

from .alignment import Unaligned
from .planning import Step, Way, next_step
from .reading import Reader, Shared
from .tail import Noise, Tail
from .trouble import Trouble

log = logging.getLogger(__name__)
# What is known of a pod may lag behind its kubelet: an answer that does not fit is doubted for so long.
DOUBT_S = 3.0
# How long the news that a run has ended may come after the end of its log.
NEWS_S = 2.0
# How long the end of the log may come after that news, and after the pod was deleted.
END_S = 10.0
LAST_S = 60.0
# How long it may take at most to ask again after a connection that worked broke.
AGAIN_S = 0.1
# A replica without a place for its stream is read this often (s).
TURN_S = 10.0
# What was read so long ago is all there was, for an end that was told since.
FRESH_S = 10.0
# A pod that is not found, and the log of a run that is refused, is given up after so long.
MISSING_S = 10.0
REFUSED_S = 10.0


class Follower:
    """The only one who writes the log of a replica; ``watched`` tells whether somebody reads it."""

    def __init__(self, shared: Shared, tail: Tail, watched: Callable[[], bool]) -> None:
        self._shared = shared
        self._tail = tail
        self._watched = watched
        self._reader = Reader(shared, tail)
        self._pods: dict[str, PodView] = {}
        self._gone: set[str] = set()
        self._news = asyncio.Event()
        self._drainers: list[asyncio.Future[None]] = []
        self._task: asyncio.Task[None] | None = None
        self._ready = False
        self._backoff = Backoff()
        self._trouble = Trouble()

    def see(self, pod: PodView) -> None:
        """Take note of a pod as it is now."""
        before = self._pods.get(pod.uid, pod)
        self._pods[pod.uid] = pod
        if _end_of(before) != _end_of(pod):
            self._reader.know_end()
        self.wake()

    def vanish(self, pod: PodView) -> None:
        """Take note that a pod is no more."""
        self._pods[pod.uid] = pod
        self._gone.add(pod.uid)
        self.wake()

    def wake(self) -> None:
        """Look what there is to do."""
        self._news.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="follow a pod's log")

    async def drain(self) -> None:
        """Wait until everything that was written until now is in the log."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._drainers.append(future)
        self.wake()
        try:
            await future
        finally:
            self._drainers.remove(future)

    async def stop(self) -> None:
        """Read no more; the log can be gone on with later."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        _settle(self._drainers)

    async def finish(self) -> None:
        """Stop, and mark the log as ended, with a gap if there was more to read."""
        streaming = self._reader.streaming
        await self.stop()
        await self._open()
        await self._do(self._end, streaming)

    async def _run(self) -> None:
        try:
            await self._open()
            while not self._tail.ended:
                self._news.clear()
                step = self._step()
                if step is None:
                    break
                await self._try(step)
            _settle(self._drainers)
        finally:
            self._task = None
            self._do(self._tail.close)

    async def _open(self) -> None:
        if not self._ready:
            await self._do(self._tail.open)
            self._ready = True

    async def _try(self, step: Step) -> None:
        try:
            await self._take(step)
        except Unaligned:
            self._trouble.lasts(step, "unaligned")
            await self._pause(DOUBT_S, step)
        except ApiError as error:
            await self._refused(step, error)
        except Noise as error:
            if not self._trouble.lasted(step, "noise"):
                log.warning("The kubelet says of the log of %s: %s", step.pod.name, error)
            await self._give_up(step, "noise")
        except (Unreachable, OSError) as error:
            log.debug("The log of %s is interrupted: %s", step.pod.name, error)
            if self._tail.attached:
                self._trouble.clear()
            await self._pause(self._failed(), step)
        except Exception:
            log.exception("The log of %s cannot be kept", step.pod.name)
            await self._pause(self._failed(), step)
        else:
            self._backoff.worked()
            self._trouble.clear()

    async def _take(self, step: Step) -> None:
        if step.way is Way.LOST:
            await self._do(self._lose, step)
            return
        await self._do(self._begin, step)
        if step.way is Way.RUNNING and not self._drainers:
            await self._as_it_goes(step)
            return
        drainers = list(self._drainers)
        async with self._shared.turns.reader():
            news = await self._read(step, follow=False)
        if step.way is Way.RUNNING:
            _settle(drainers)
        elif not news:
            self._doubt_silence(step)
            await self._do(self._tail.done)

    def _doubt_silence(self, step: Step) -> None:
        """Raise Unaligned if a run that seems to have written nothing may be taken for the next one."""
        over = self._pods[step.pod.uid].phase in ("Succeeded", "Failed")
        if self._tail.empty and not over and not self._trusts(step):
            raise Unaligned

    async def _as_it_goes(self, step: Step) -> None:
        turns = self._shared.turns
        if turns.take():
            try:
                await self._follow(step)
            finally:
                turns.give_back()
            return
        async with turns.reader():
            await self._read(step, follow=False)
        async with turns.in_line(urgent=self._watched()) as place:
            await self._news_or(place, TURN_S)

    async def _follow(self, step: Step) -> None:
        """Read a stream to its end, or until there is something more important."""
        reading = asyncio.create_task(self._read(step, follow=True))
        until: float | None = None
        try:
            while not reading.done() and not self._is_due(step, until):
                patience = self._patience(step)
                until = None if patience is None else until or time.monotonic() + patience
                self._news.clear()
                await self._news_or(reading, None if until is None else max(until - time.monotonic(), 0.0))
        finally:
            if not reading.done():
                reading.cancel()
                await asyncio.wait([reading])
        if not reading.cancelled():
            pause = NEWS_S if reading.result() else max(NEWS_S, self._backoff.failed())
            await self._pause(pause, step)

    def _is_due(self, step: Step, until: float | None) -> bool:
        """Tell whether a stream is to be left for something else."""
        if until is not None and time.monotonic() >= until:
            return True
        going = self._pods[step.pod.uid].deleting or step.pod.uid in self._gone
        return not going and (bool(self._drainers) or self._step() is None)

    def _patience(self, step: Step) -> float | None:
        """Return how long a stream may go on, None while its container runs."""
        now = self._step()
        if now is None or (now.source, now.way) == (step.source, step.way):
            return None
        return LAST_S if now.way is Way.LOST else END_S

    async def _news_or(self, other: asyncio.Future[Any], seconds: float | None) -> None:
        news = asyncio.ensure_future(self._news.wait())
        try:
            await asyncio.wait([other, news], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()

    async def _read(self, step: Step, *, follow: bool) -> bool:
        return await self._reader.read(step, follow=follow, trusted=self._trusts(step))

    def _trusts(self, step: Step) -> bool:
        """Tell whether an answer that does not fit was doubted for long enough."""
        return self._trouble.lasted(step, "unaligned") >= DOUBT_S

    async def _refused(self, step: Step, error: ApiError) -> None:
        if error.status == 400:
            await self._give_up(step, "refused")
        elif error.status == 404 and self._trouble.lasts(step, "missing") >= MISSING_S:
            self._gone.add(step.pod.uid)
        else:
            await self._pause(self._failed(error.retry_after), step)

    async def _give_up(self, step: Step, kind: str) -> None:
        """Declare a run lost that has ended, and whose log nobody has had for a while."""
        if self._has_all(step) and step.way is not Way.RUNNING:
            await self._do(self._tail.done)
        elif self._trouble.lasts(step, kind) >= REFUSED_S and step.way is not Way.RUNNING:
            await self._do(self._tail.lose)
        else:
            await self._pause(self._failed(), step)

    def _failed(self, told_s: float | None = None) -> float:
        if not self._reader.worked:
            return self._backoff.failed(told_s)
        # At once, or the log may be rotated meanwhile.
        self._backoff.worked()
        return random.uniform(0, AGAIN_S)  # noqa: S311 - jitter

    async def _pause(self, seconds: float, step: Step) -> None:
        """Wait, but not when something else is to be done than this step."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while (now := self._step()) is not None and (now.source, now.way) == (step.source, step.way):
                    self._news.clear()
                    await self._news.wait()

    def _step(self) -> Step | None:
        step = next_step([*self._pods.values()], self._gone, self._tail.sources)
        wanted = self._shared.eager or self._watched() or bool(self._drainers)
        return None if step is not None and step.way is Way.RUNNING and not wanted else step

    def _begin(self, step: Step) -> None:
        known = self._tail.sources
        if known.current is None or known.current.source != step.source:
            self._tail.begin(step.source, lost=step.skipped or known.unfinished)

    def _lose(self, step: Step) -> None:
        """Give up a run whose pod is gone; nothing is lost if it was read to its end."""
        known = self._tail.sources
        if known.current is None or known.current.source != step.source:
            self._tail.begin(step.source, lost=True)
        elif not self._has_all(step):
            self._tail.lose()
            return
        self._tail.done()

    def _end(self, streaming: bool) -> None:
        known = self._tail.sources
        step = next_step([*self._pods.values()], self._gone, known)
        if step is None:
            lost = known.unfinished and known.current is not None and known.current.source.uid not in self._pods
        elif known.current is None or known.current.source != step.source:
            lost = True
        elif step.way is Way.RUNNING:
            lost = not streaming and time.monotonic() - self._reader.current_at > FRESH_S
        else:
            lost = not self._has_all(step)
        self._tail.end(lost=lost)

    def _has_all(self, step: Step) -> bool:
        """Tell whether the log of this run was read to its end, and it was the end of the run as well."""
        ending = step.pod.deleting or step.pod.container.state == "terminated"
        return ending and self._reader.to_end == step.source

    def _do(self, function: Callable[..., None], *args: object) -> asyncio.Future[None]:
        return self._shared.disk.do(lambda: function(*args))


def _end_of(pod: PodView) -> tuple[bool, int]:
    """Return what changes when a run ends."""
    return pod.deleting or pod.container.state != "running", pod.container.restarts


def _settle(drainers: Iterable[asyncio.Future[None]]) -> None:
    for future in drainers:
        if not future.done():
            future.set_result(None)
