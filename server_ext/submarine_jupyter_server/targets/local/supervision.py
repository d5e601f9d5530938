"""Keep the experiments of this machine going: who may start, how each is, and telling it to whoever wants to know.

Everything that touches files or processes runs in threads. A shim names its attempt in a FIFO when something changed;
once a second each experiment is looked at anyway, so nothing depends on that.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import ParamSpec, TypeVar

from submarine_jupyter.errors import SubmarineError, TargetRefused, TargetUnavailable
from submarine_jupyter.models import Status
from submarine_jupyter_server.targets.base import Observation, Sink
from submarine_jupyter_server.targets.contract import members
from submarine_jupyter_server.threads import DaemonPool

from . import launcher
from . import run as acts
from .planning import Settings
from .ports import PortLeases
from .run import Run
from .rundir import Json, Runs
from .scheduler import Amount, Scheduler
from .sight import Life, Sight, ended, look, now_ms, observe, waiting

log = logging.getLogger(__name__)
TICK_S = 1.0
MAX_SPAWNS = 10
THREADS = 4
P = ParamSpec("P")
T = TypeVar("T")


class Supervision:
    """The experiments that have not ended, by id."""

    def __init__(self, runs: Runs, settings: Settings, scheduler: Scheduler, here: Json) -> None:
        self.runs: dict[str, Run] = {}
        self.scheduler = scheduler
        self.here = here
        self._folders = runs
        self._settings = settings
        self._ports = PortLeases()
        self._sink: Sink | None = None
        self._pool = DaemonPool(THREADS, "local-target")
        self._tasks: set[asyncio.Task[None]] = set()
        self._looking: set[str] = set()
        self._news = -1

    async def io(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking function in a thread."""
        call = functools.partial(function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)

    async def start(self, sink: Sink) -> None:
        """Begin to look; observations go to ``sink``, or from now on to another one."""
        again, self._sink = self._sink is not None, sink
        if again:
            return
        self._news = await self.io(self._folders.listen)
        if self._news >= 0:
            asyncio.get_running_loop().add_reader(self._news, self._read_news)
        self._spawn_task(self._watch())

    async def close(self) -> None:
        """Stop looking."""
        if self._news >= 0:
            asyncio.get_running_loop().remove_reader(self._news)
            os.close(self._news)
            self._news = -1
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self._pool.shutdown)
        self._ports.close()

    def adopt(self, run: Run) -> None:
        """Take on an experiment that is there already."""
        self.runs[run.launch.experiment_id] = run
        if run.plan is not None:
            ports = [port for item in run.plan["replicas"] for port in item["ports"]]
            self._ports.adopt(run.launch.experiment_id, ports)
            self.scheduler.hold(run.launch.experiment_id, run.held(None))

    async def ask(self, run: Run) -> None:
        """Have an experiment get what it should have: less at once, more when there is room."""
        async with run.lock:
            if run.over or run.stopping or run.deleted:
                return
            wanted = {member.name for member in members(run.launch.spec)}
            if run.plan is not None and run.planned - wanted:
                run.plan = await self.io(acts.rescale, run, self._settings, self._ports, grow=False)
            if wanted - run.planned:
                self.scheduler.request(run.launch.experiment_id, run.missing())
            else:
                self.scheduler.withdraw(run.launch.experiment_id)
        begun = self._admit().get(run.launch.experiment_id)
        if begun is not None:
            # Once begun, it is done to the end, also when whoever asked for it does not wait any more.
            await asyncio.shield(begun)

    def _admit(self) -> dict[str, asyncio.Task[None]]:
        """Start what there is room for."""
        granted = [self.runs[key] for key in self.scheduler.admit() if key in self.runs]
        return {run.launch.experiment_id: self._spawn_task(self._safely(self._grant, run)) for run in granted}

    async def resume(self, run: Run) -> None:
        """Go on with an experiment that was adopted."""
        if run.deleted:
            await self._safely(self.stop, run, "Deleted", "it was deleted")
        else:
            await self._safely(self.look_at, run)
            await self._safely(self.ask, run)

    async def stop(self, run: Run, reason: str, message: str) -> None:
        """End an experiment; what has not started never will."""
        async with run.lock:
            self.scheduler.withdraw(run.launch.experiment_id)
            try:
                run.plan = await self.io(acts.stop, run, reason, message, self._settings.grace_s)
            except FileNotFoundError:
                pass  # its files were removed, and it ends by itself
            except OSError as error:
                raise TargetUnavailable(f"it cannot be stopped now: {error}") from error
        await self.look_at(run)

    async def look_at(self, run: Run) -> None:
        """See how an experiment is, tell it if it changed, and do what is to be done."""
        async with run.lock:
            if run.over or run.fresh:
                return
            key = run.launch.experiment_id
            if run.plan is None and key in self.scheduler.queued:
                await self._tell(run, self._observation(run, Sight(Life.UNSTARTED)))
                return
            sight = await self._settled(run, await self.io(look, run.attempt, self.here))
            if sight.life is Life.VANISHED:
                log.warning("the files of %s are gone", key)
                self._forget(run)
                return
            if sight.state is not None and sight.state.get("running_ms"):
                self._ports.held_elsewhere(key)
            if run.plan is not None:
                self.scheduler.hold(key, Amount() if sight.life is Life.ELSEWHERE else run.held(sight.state))
            await self._tell(run, self._observation(run, sight))
            if sight.life is Life.ENDED:
                await self.io(run.attempt.mark, "seen")
                self._forget(run)

    async def _grant(self, run: Run) -> None:
        async with run.lock:
            if run.over or run.stopping or run.deleted:
                return
            try:
                if run.plan is not None:
                    run.plan = await self.io(acts.rescale, run, self._settings, self._ports, grow=True)
                    return
                run.plan = await self.io(acts.begin, run, self._settings, self._ports)
            except TargetRefused as error:
                await self.io(run.attempt.finish, ended(run.launch, None, "Refused", error.message))
                self._look_soon(run)
                return
            except (OSError, TargetUnavailable) as error:
                run.trouble = str(error)
                self.scheduler.hold(run.launch.experiment_id, run.held(None))
                self.scheduler.request(run.launch.experiment_id, run.missing())
                return
            run.trouble = None
            created = Sight(Life.ALIVE, {"status": "Created", "created_ms": now_ms()})
            await self._tell(run, observe(run.launch, created, self.here))

    async def _settled(self, run: Run, sight: Sight) -> Sight:
        """Do what a sight asks for, and look again if that changed it."""
        if sight.life in (Life.LOST, Life.REBOOTED, Life.CONTAINER_GONE):
            await self.io(acts.bury, run.launch, run.attempt, sight)
        elif sight.life is Life.UNSTARTED and run.plan is not None:
            if await self.io(launcher.is_starting, run.attempt):
                return sight
            if run.stopping:
                order = run.plan["stop"]
                await self.io(run.attempt.finish, ended(run.launch, None, order["reason"], order["message"]))
            elif run.spawns >= MAX_SPAWNS:
                why = await self.io(launcher.complaint, run.attempt)
                message = f"its supervisor ended {run.spawns} times before it could start anything: {why}"
                await self.io(run.attempt.finish, ended(run.launch, None, "SupervisorFailed", message))
            else:
                run.spawns += 1
                await self.io(launcher.spawn, run.attempt)
                return sight
        else:
            return sight
        return await self.io(look, run.attempt, self.here)

    def _observation(self, run: Run, sight: Sight) -> Observation:
        key = run.launch.experiment_id
        queued = key in self.scheduler.queued
        if run.plan is None and sight.life is Life.UNSTARTED:
            if run.trouble is not None:
                return waiting(run.launch, "CannotStart", run.trouble)
            return waiting(run.launch, "Queued", self.scheduler.why_waiting(key) if queued else "it is next")
        if sight.state is None and run.told is not None and run.told.status is Status.CREATED:
            return run.told  # its shim has not yet said more
        seen = observe(run.launch, sight, self.here)
        if queued and not seen.status.final:
            seen = replace(seen, reason="Queued", message=f"more replicas: {self.scheduler.why_waiting(key)}")
        return seen

    async def _tell(self, run: Run, seen: Observation) -> None:
        """Give an observation to the sink unless it says nothing new; nobody sees the end without the beginning."""
        if self._sink is None or run.deleted or (run.told and replace(run.told, at_ms=0) == replace(seen, at_ms=0)):
            return
        before = run.told.status if run.told else Status.ACCEPTED
        if seen.status.final and seen.running_ms and before in (Status.ACCEPTED, Status.CREATED):
            running = replace(seen, status=Status.RUNNING, at_ms=seen.running_ms, finished_ms=None, replicas=())
            await self._sink(replace(running, reason=None, message=None))
        await self._sink(seen)
        run.told = seen

    def _forget(self, run: Run) -> None:
        key = run.launch.experiment_id
        run.over = True
        self.scheduler.withdraw(key)
        self.scheduler.hold(key, Amount())
        self._ports.release(key)
        if self.runs.get(key) is run:
            del self.runs[key]
        self._admit()

    def _read_news(self) -> None:
        with contextlib.suppress(BlockingIOError):
            for line in os.read(self._news, 65536).decode(errors="replace").splitlines():
                run = self.runs.get(line.partition("/")[0])
                if run is not None:
                    self._look_soon(run)

    def _look_soon(self, run: Run) -> None:
        key = run.launch.experiment_id
        if key not in self._looking:
            self._looking.add(key)
            self._spawn_task(self._look_once(run, key))

    async def _look_once(self, run: Run, key: str) -> None:
        # News that come from here on may tell more than the look below sees.
        self._looking.discard(key)
        await self._safely(self.look_at, run)

    def _spawn_task(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _safely(self, work: Callable[P, Awaitable[None]], *args: P.args, **kwargs: P.kwargs) -> None:
        """The root of all that is done unasked: what fails is tried again at the next tick."""
        try:
            await work(*args, **kwargs)
        except SubmarineError as error:
            log.warning("%s", error)
        except Exception:
            log.exception("an experiment could not be looked after; it is tried again")

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            launcher.reap()
            for run in list(self.runs.values()):
                await self._safely(self.look_at, run)
            self._admit()
