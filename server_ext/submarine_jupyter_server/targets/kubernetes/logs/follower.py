"""Follow one replica: all runs of the container in all its pods, one after the other, into one log."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from submarine_jupyter.backoff import Backoff
from submarine_jupyter_server.targets.kubernetes.api.errors import ApiError, Unreachable
from submarine_jupyter_server.targets.kubernetes.state.views import PodView

from .alignment import Unaligned
from .drains import Drains
from .next_step import Step, Way
from .reading import Reader, Shared
from .run_trouble import RunTrouble
from .runs import ContainerRuns
from .tail import Noise, Tail

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
# A stream that is not to be closed is waited for until nothing has come for so long, or at most so long.
QUIET_S = 1.0
LOUD_S = 3.0
# A pod that is not found, and the log of a run that is refused, is given up after so long.
MISSING_S = 10.0
REFUSED_S = 10.0


class Follower:
    """The only one who writes the log of a replica; ``watched`` returns whether somebody reads it."""

    def __init__(self, shared: Shared, tail: Tail, watched: Callable[[], bool]) -> None:
        self._shared = shared
        self._tail = tail
        self._watched = watched
        self._reader = Reader(shared, tail)
        self._runs = ContainerRuns(tail, self._reader)
        self._news = asyncio.Event()
        self._drains = Drains()
        self._task: asyncio.Task[None] | None = None
        self._ready = False
        self._backoff = Backoff()
        self._trouble = RunTrouble()

    @property
    def heard_at(self) -> float:
        """Return when something came last (monotonic s)."""
        return self._reader.heard_at

    @property
    def trouble(self) -> str | None:
        """Return what the cluster answers in place of the log; None while it can be read, and of a single failure."""
        return None if self._reader.streaming else self._trouble.sentence

    def put_pod(self, pod: PodView) -> None:
        """Record a pod as it is now."""
        self._runs.put_pod(pod)
        self.wake()

    def vanish(self, pod: PodView) -> None:
        """Record that a pod is no more."""
        self._runs.vanish(pod)
        self.wake()

    def wake(self) -> None:
        """Check what there is to do."""
        self._news.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="follow a pod's log")

    async def drain(self) -> None:
        """Wait until everything that was written until now is in the log."""
        with self._drains.one() as done:
            self.wake()
            await done

    async def stop(self) -> None:
        """Read no more; the log can be gone on with later."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._drains.settle()

    async def finish(self) -> None:
        """Stop, and mark the log as ended, with a gap if there was more to read."""
        streaming = self._reader.streaming
        await self.stop()
        await self._open()
        await self._do(self._runs.end, streaming)

    async def _run(self) -> None:
        try:
            await self._open_at_last()
            while not self._tail.ended:
                self._news.clear()
                step = self._step()
                if step is None:
                    break
                await self._try(step)
            self._drains.settle()
        finally:
            self._trouble.clear()
            self._task = None
            self._do(self._tail.close)

    async def _open_at_last(self) -> None:
        """Open the log; as often as it takes, for disks get full and are emptied."""
        while not self._ready:
            try:
                await self._open()
            except OSError as error:
                log.warning("The log of a replica cannot be kept now: %s", error)
                await asyncio.sleep(self._backoff.failed())

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
            self._trouble.note(step, error)
            await self._refused(step, error)
        except Noise as error:
            self._trouble.note(step, error)
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
            await self._do(self._runs.lose, step)
            return
        await self._do(self._runs.begin, step)
        if step.way is Way.RUNNING and not self._drains:
            await self._as_it_goes(step)
            return
        present = self._drains.present()
        async with self._shared.turns.reader():
            news = await self._read(step, follow=False)
        if step.way is Way.RUNNING:
            self._drains.settle(present)
        elif not news:
            self._doubt_silence(step)
            await self._do(self._tail.done)

    def _doubt_silence(self, step: Step) -> None:
        """Raise Unaligned if a run that seems to have written nothing may be taken for the next one."""
        if self._tail.empty and not self._runs.is_last(step) and not self._trusts(step):
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
        reading.add_done_callback(_heed)  # this one may be cancelled before it asks how that ended
        until: float | None = None
        try:
            while not reading.done() and not self._is_due(step, until):
                patience = self._patience(step)
                until = None if patience is None else until or time.monotonic() + patience
                self._news.clear()
                await self._news_or(reading, _seconds_to(until, self._quiet_at(step)))
                if _seconds_to(self._quiet_at(step)) == 0:
                    self._drains.settle()
        finally:
            if not reading.done():
                reading.cancel()
                await asyncio.wait([reading])
        if not reading.cancelled():
            pause = NEWS_S if reading.result() else max(NEWS_S, self._backoff.failed())
            await self._pause(pause, step)

    def _is_due(self, step: Step, until: float | None) -> bool:
        """Return whether a stream is to be left for something else."""
        if until is not None and time.monotonic() >= until:
            return True
        return not self._runs.is_going(step) and (bool(self._drains) or self._step() is None)

    def _patience(self, step: Step) -> float | None:
        """Return how long a stream may go on, None while its container runs."""
        now = self._step()
        if now is None or (now.source, now.way) == (step.source, step.way):
            return None
        return LAST_S if now.way is Way.LOST else END_S

    def _quiet_at(self, step: Step) -> float | None:
        """Return when what was written before a drain has surely come by a stream that is not to be closed."""
        if not (self._drains and self._reader.streaming and self._runs.is_going(step)) or self._runs.is_gone(step):
            return None
        quiet = max(self._reader.heard_at, self._drains.since) + QUIET_S
        return min(quiet, self._drains.since + LOUD_S)

    async def _news_or(self, other: asyncio.Future[Any], seconds: float | None) -> None:
        news = asyncio.ensure_future(self._news.wait())
        try:
            await asyncio.wait([other, news], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()

    async def _read(self, step: Step, *, follow: bool) -> bool:
        return await self._reader.read(step, follow=follow, trusted=self._trusts(step))

    def _trusts(self, step: Step) -> bool:
        """Return whether an answer that does not fit was doubted for long enough."""
        return self._trouble.lasted(step, "unaligned") >= DOUBT_S

    async def _refused(self, step: Step, error: ApiError) -> None:
        if error.status == 400:
            await self._give_up(step, "refused")
        elif error.status == 404 and self._trouble.lasts(step, "missing") >= MISSING_S:
            self._runs.vanish(step.pod)
        else:
            await self._pause(self._failed(error.retry_after), step)

    async def _give_up(self, step: Step, kind: str) -> None:
        """Declare a run lost that has ended, and whose log nobody has had for a while."""
        if self._runs.has_all(step):
            await self._do(self._tail.done)
        elif self._trouble.lasts(step, kind) >= REFUSED_S and step.way is not Way.RUNNING:
            await self._do(self._tail.lose)
        else:
            await self._pause(self._failed(), step)

    def _failed(self, asked_s: float | None = None) -> float:
        if not self._reader.worked:
            return self._backoff.failed(asked_s)
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
        step = self._runs.next()
        wanted = self._shared.eager or self._watched() or bool(self._drains)
        return None if step is not None and step.way is Way.RUNNING and not wanted else step

    def _do(self, function: Callable[..., None], *args: object) -> asyncio.Future[None]:
        return self._shared.disk.do(lambda: function(*args))


def _heed(future: asyncio.Future[Any]) -> None:
    """Record how something ended that nobody may ask for any more."""
    if not future.cancelled():
        future.exception()


def _seconds_to(*times: float | None) -> float | None:
    """Return how long it is to the first of some times, None if there is none."""
    known = [at for at in times if at is not None]
    return max(min(known) - time.monotonic(), 0.0) if known else None
