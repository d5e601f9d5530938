"""A compute target that a test commands: every call can be slow, refuse, fail, or do its work and say nothing of it.

What it has done and could not say, it does not refuse when it is asked again: every order may be repeated.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

from submarine_jupyter.errors import TargetRefused, TargetUnavailable
from submarine_jupyter.models import ExperimentSpec, Status
from submarine_jupyter.models.runtime import Group
from submarine_jupyter_server.masking.masks import mask
from submarine_jupyter_server.targets.protocol import (
    Absence,
    Doubt,
    Forecast,
    Found,
    Inventory,
    Launch,
    Made,
    ObjectRef,
    Observation,
    Recall,
    ReplicaState,
    Sink,
)

QUEUED, RUNNING = "Queued", "Running"


@dataclass
class Trouble:
    """What becomes of the next call: ``end`` is ok, refuse, unavailable, unknown or crash; a slow one waits first.

    ``retry_after`` is when the target wants to be asked again (s), ``reason`` why it refuses.
    """

    end: str
    slow: bool = False
    reason: str = "Denied"
    retry_after: float | None = None


@dataclass
class Thing:
    """One experiment outside of the servers: what was ordered last, and how each attempt is."""

    launch: Launch
    attempts: dict[int, str] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)
    made: Made | None = None
    buried: bool = False
    unsure: bool = False  # the last order was carried out, and nobody was told

    @property
    def goes_on(self) -> bool:
        """Whether something of it waits or runs."""
        return any(now in (QUEUED, RUNNING) for now in self.attempts.values())

    @property
    def group(self) -> Group | None:
        """What it belongs to."""
        return self.launch.spec.runtime.group if self.launch.spec.runtime else None

    def end(self, status: Status = Status.FAILED, reason: str = "Stopped") -> None:
        """End every attempt that has not ended."""
        for number, now in self.attempts.items():
            if now in (QUEUED, RUNNING):
                self.attempts[number], self.reasons[number] = status, reason


class World:
    """What goes on outside of the servers, and survives all of them; it has room for ``slots`` experiments.

    Unless it is ``whole``, its records have neither secret values nor code.
    """

    def __init__(self, slots: int = 2) -> None:
        self.slots = slots
        self.whole = True
        self.absence = Absence("ExternallyDeleted", "somebody deleted it")
        self.concluded: list[tuple[str, int]] = []
        self.things: dict[str, Thing] = {}
        self.troubles: list[Trouble] = []
        self.gate = asyncio.Event()
        self.numbers = itertools.count(1)
        # A database of before may know of fewer that run.
        self.exact = True
        self.crowded: list[str] = []
        """Whatever began in a group that had no place for it."""
        self.uids = (f"object-{number}" for number in itertools.count(1))

    @property
    def processes(self) -> list[tuple[str, int]]:
        """Return (experiment, attempt) of everything that runs."""
        return [(name, number) for name, thing in self.things.items() for number, now in thing.attempts.items()
                if now == RUNNING]  # fmt: skip

    def admit(self) -> None:
        """Let run what there is room for, in the order of its experiments."""
        for thing in self.things.values():
            for number, now in thing.attempts.items():
                if now == QUEUED and len(self.processes) < self.slots:
                    thing.attempts[number] = RUNNING

    def begin(self, launch: Launch) -> Thing:
        """Take an experiment that was not there before."""
        group = launch.spec.runtime.group if launch.spec.runtime else None
        kin = [name for name, thing in self.things.items() if group and thing.goes_on and group == thing.group]
        if self.exact and group is not None and group.max_running is not None and len(kin) >= group.max_running:
            self.crowded.append(f"{launch.experiment_id} beside {kin}")
        thing = self.things[launch.experiment_id] = Thing(launch)
        return thing

    def calm(self) -> None:
        """Be in no trouble any more."""
        self.troubles.clear()
        self.gate.set()


class CommandedTarget:
    """The sight that one server has of the world."""

    kind = "local"
    namespaces = ("default",)

    def __init__(self, world: World, name: str = "local") -> None:
        self.name = name
        self.world = world
        self.given: list[Made] = []
        self._sink: Sink | None = None
        self._told: dict[str, Observation] = {}

    @property
    def started(self) -> bool:
        """Whether its server gives the orders."""
        return self._sink is not None

    def check(self, spec: ExperimentSpec) -> None:
        """Refuse nothing."""

    def check_change(self, old: Launch, new: Launch) -> None:
        """Refuse nothing."""

    async def render(self, launch: Launch) -> list[dict[str, object]]:
        return []

    async def forecast(self, launch: Launch, capacity: Mapping[str, Any] | None = None) -> Forecast:
        return Forecast(None, "it is not known")

    def place(self, experiment_id: str) -> None:
        """Say nothing."""

    async def start(self, sink: Sink, doubt: Doubt, made: Collection[Made] = (), recall: Recall | None = None) -> None:
        self.given = list(made)
        self._sink = sink
        await self.report()

    async def ensure(self, launch: Launch) -> Made | None:
        end = await self._trouble("ensure", launch.experiment_id)
        thing = self.world.things.get(launch.experiment_id)
        if thing is None:
            thing = self.world.begin(launch)
        elif thing.buried or thing.launch.uid != launch.uid:
            raise TargetRefused(f"{launch.experiment_id} was deleted")
        elif (thing.launch.attempt, thing.launch.generation) > (launch.attempt, launch.generation):
            return None
        thing.launch = launch
        if launch.attempt not in thing.attempts:
            thing.end()
            thing.attempts[launch.attempt] = QUEUED
            thing.made = self._make(launch)
        if thing.made is not None:
            thing.made = replace(thing.made, generation=launch.generation)
        thing.unsure = end == "unknown"
        await self._settle(end)
        return thing.made

    async def stop(self, launch: Launch) -> None:
        end = await self._trouble("stop", launch.experiment_id)
        thing = self.world.things.setdefault(launch.experiment_id, Thing(launch))
        thing.launch = max(thing.launch, launch, key=lambda known: (known.attempt, known.generation))
        thing.attempts.setdefault(launch.attempt, QUEUED)
        thing.end()
        await self._settle(end)

    async def delete(self, experiment_id: str, uid: str) -> None:
        end = await self._trouble("delete", experiment_id)
        if (thing := self.world.things.get(experiment_id)) is not None:
            thing.buried = True
            thing.end(reason="Deleted")
        await self._settle(end)

    async def purge(self, experiment_id: str, uid: str) -> None:
        await self.delete(experiment_id, uid)

    async def inventory(self, settled: Collection[str] = ()) -> Inventory:
        names = [name for name in self.world.things if name not in settled]
        return Inventory(tuple(self._found(name) for name in names))

    async def absence(self, experiment_id: str) -> Absence:
        return self.world.absence

    async def conclude(self, experiment_id: str, attempt: int) -> None:
        self.world.concluded.append((experiment_id, attempt))

    def attend(self, experiment_id: str) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    async def capacity(self) -> dict[str, object]:
        return {"running": len(self.world.processes)}

    def health(self) -> dict[str, object]:
        return {"ok": True}

    async def close(self) -> None:
        self._sink = None

    async def report(self) -> None:
        """Report how everything is, as far as it has changed."""
        self.world.admit()
        for name, thing in list(self.world.things.items()):
            seen = self._observe(thing)
            before = self._told.get(name)
            if self._sink is None or thing.buried or (before and replace(before, at_ms=0) == replace(seen, at_ms=0)):
                continue
            await self._sink(seen)
            self._told[name] = seen

    def _make(self, launch: Launch) -> Made:
        name = launch.experiment_id
        objects = [ObjectRef("Job", "default", name, next(self.world.uids))]
        objects += [ObjectRef("Secret", "default", f"{name}-env", next(self.world.uids))]
        return Made(name, launch.uid, launch.attempt, launch.generation, tuple(objects))

    async def _trouble(self, op: str, experiment_id: str) -> str:
        trouble = self.world.troubles.pop(0) if self.world.troubles else Trouble("ok")
        if trouble.slow:
            await self.world.gate.wait()
        thing = self.world.things.get(experiment_id)
        if trouble.end == "refuse" and thing is not None and thing.unsure:
            return "ok"
        if trouble.end == "refuse":
            raise TargetRefused(f"refusal {next(self.world.numbers)} of {op}", reason=trouble.reason)
        if trouble.end == "unavailable":
            raise TargetUnavailable(f"outage {next(self.world.numbers)} at {op}", retry_after=trouble.retry_after)
        if trouble.end == "crash":
            raise RuntimeError(f"fault {next(self.world.numbers)} in {op}")
        return trouble.end

    async def _settle(self, end: str) -> None:
        await self.report()
        if end == "unknown":
            raise TargetUnavailable(f"no answer {next(self.world.numbers)}, but done")

    def _found(self, name: str) -> Found:
        thing = self.world.things[name]
        seen, launch = self._observe(thing), thing.launch
        if not self.world.whole:
            launch = replace(launch, spec=_bare(launch.spec))
        return Found(name, launch, thing.buried, seen, thing.buried, True, thing.made, self.world.whole)

    def _observe(self, thing: Thing) -> Observation:
        launch = thing.launch
        now = thing.attempts.get(launch.attempt, QUEUED)
        status = Status.ACCEPTED if now == QUEUED else Status(now)
        reason = thing.reasons.get(launch.attempt) if status.final else QUEUED if now == QUEUED else None
        states = {"Accepted": "Waiting", "Failed": "Failed"}
        worker = ReplicaState("worker-0", "Worker", 0, states.get(status, str(status)))
        return Observation(
            launch.experiment_id, launch.uid, launch.attempt, launch.generation, status,
            time.time_ns() // 1_000_000, reason, replicas=(worker,),
        )  # fmt: skip


def _bare(spec: ExperimentSpec) -> ExperimentSpec:
    wire = mask(spec.wire())
    if files := (wire.get("code") or {}).get("files"):
        wire["code"]["files"] = dict.fromkeys(files, "")
    return ExperimentSpec.parse(wire)
