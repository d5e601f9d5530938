"""The servers of a data directory over one commanded world, and all who talk to them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from submarine_jupyter.errors import Conflict, NotFound, SubmarineError, Unavailable
from submarine_jupyter_server.config import ServiceConfig
from submarine_jupyter_server.control import groups
from submarine_jupyter_server.opening import wiring as service_module
from submarine_jupyter_server.opening.wiring import Service
from submarine_jupyter_server.services.principal import Principal
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.experiments import Query
from submarine_jupyter_server.store.orders import outbox
from submarine_jupyter_server.store.reported import events
from submarine_jupyter_server.targets.protocol import Made
from submarine_jupyter_server.wire.answers.experiments import shown_json
from tests.control.world import CommandedTarget, World

ME = Principal("me")
# These experiments are of one group, in which one may run.
GROUPED = ("c", "d", "e")
FINAL = ("Succeeded", "Failed")
_ID = re.compile(r"experiment-\d+-\d+")


@dataclass
class Listener:
    """Somebody who follows the log of an experiment or waits for its end; reads on only when ``go`` is set."""

    service: Service
    experiment_id: str
    task: asyncio.Task[None]
    go: asyncio.Event
    heard: list[str] = field(default_factory=list)


class House:
    """One or two servers; ``told`` are the ids that anybody was given, ``deleted`` those whose end was confirmed."""

    def __init__(self, folder: Path, reconcile_seconds: float = 0.2) -> None:
        self.config = ServiceConfig(folder, reconcile_seconds=reconcile_seconds)
        self.world = World()
        self.services: list[Service] = []
        self.calls: dict[asyncio.Task[None], Service] = {}
        self.listeners: list[Listener] = []
        self.told: set[str] = set()
        self.deleting: set[str] = set()
        self.deleted: set[str] = set()
        self.stopped: set[str] = set()
        self.keys: dict[str, list[str]] = {}
        self.failures: list[str] = []

    @property
    def service(self) -> Service:
        return self.services[0]

    @property
    def given(self) -> list[Made]:
        """What the target of the first server was told at its start to have made."""
        return _target(self.service).given

    async def open(self) -> None:
        """Start one more server."""
        service_module._targets = lambda config: {"local": CommandedTarget(self.world)}
        service = await Service.open(self.config)
        self.services.append(service)
        self._call(service, self._hear(service), "hear")

    async def close(self, number: int = 0) -> None:
        """End a server in the midst of whatever it does."""
        service = self.services.pop(number)
        await self._abandon({task for task, server in self.calls.items() if server is service})
        await self._abandon({listener.task for listener in self.listeners if listener.service is service})
        self.listeners = [listener for listener in self.listeners if listener.service is not service]
        await service.close()

    async def report(self) -> None:
        """Have the world tell what has changed."""
        for service in self.services:
            await _target(service).report()

    def create(self, service: Service, key: str) -> None:
        self._call(service, self._create(service, key))

    def patch(self, service: Service, experiment_id: str, change: dict[str, Any]) -> None:
        self._call(service, self._change(service.experiments.patch(ME, experiment_id, change, merge=True), "ensure"))

    def stop(self, service: Service, experiment_id: str) -> None:
        self._call(service, self._stop(service, experiment_id))

    def delete(self, service: Service, experiment_id: str, *, purge: bool) -> None:
        self.deleting.add(experiment_id)
        self._call(service, self._delete(service, experiment_id, purge=purge))

    def listen(self, service: Service, experiment_id: str, *, logs: bool, slow: bool) -> Listener:
        """Follow the log, or wait for the end by the feed."""
        go = asyncio.Event()
        if not slow:
            go.set()
        heard: list[str] = []
        task = asyncio.create_task(self._listen(service, experiment_id, go, heard, logs=logs))
        listener = Listener(service, experiment_id, task, go, heard)
        self.listeners.append(listener)
        return listener

    async def read(self, experiment_id: str) -> dict[str, Any] | None:
        """Return an experiment as it is shown, None for a 404."""
        try:
            shown = await self.service.experiments.get(ME, experiment_id, full=True)
        except NotFound:
            return None
        found: dict[str, Any] = json.loads(shown_json(shown))
        return found

    async def rows(self) -> dict[str, dict[str, Any]]:
        """Return all experiments that are shown, by id."""
        listed = (await self.service.experiments.list(ME, Query())).rows
        self.told.update(row.id for row in listed)
        found = {row.id: await self.read(row.id) for row in listed}
        return {name: row for name, row in found.items() if row is not None}

    async def forget_events(self) -> None:
        """Let more than 30 days go by for the events."""
        await self.service.db.write(lambda tx: events.purge(tx, 2**60))

    async def quiet(self, seconds: float = 20.0) -> None:
        """End all trouble, and wait until nothing is left to be done."""
        self.world.calm()
        for listener in self.listeners:
            listener.go.set()
        async with asyncio.timeout(seconds):
            while True:
                leader = await self._leader()
                await self.report()
                await leader.db.write(outbox.hasten)
                leader._outbox.wake()
                await asyncio.sleep(0.01)
                ordered = await leader.db.read(outbox.ordered)
                busy = any(not call.done() for call in self.calls if call.get_name() != "hear")
                due = await leader.db.read(groups.is_due)
                if not ordered and not due and not busy and await _agreed(leader):
                    return

    async def _leader(self) -> Service:
        """Return the server that gives the orders: it finds out within half a second that the one before it ended."""
        while True:
            for service in self.services:
                if _target(service).started:
                    return service
            await asyncio.sleep(0.01)

    def _call(self, service: Service, work: Coroutine[Any, Any, None], name: str = "call") -> None:
        task = asyncio.create_task(work, name=name)
        self.calls[task] = service
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        self.calls.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failures.append(f"{type(error).__name__}: {error}")

    async def _create(self, service: Service, key: str) -> None:
        body: dict[str, Any] = {
            "meta": {"name": key, "framework": "PyTorch", "cmd": "train"},
            "spec": {"Worker": {"replicas": 1}},
        }
        if key in GROUPED:
            body["runtime"] = {"group": {"name": "kin", "maxRunning": 1}}
        try:
            accepted = await service.submissions.create(ME, body, key=key)
        except Unavailable:
            return
        except SubmarineError as error:
            # A refusal names the experiment, which stays to be read.
            self._told(key, f"refused {_ID.findall(str(error))[0]}", str(error))
        else:
            self._told(key, f"accepted {json.loads(accepted.experiment)['experimentId']}", "")

    def _told(self, key: str, answer: str, text: str) -> None:
        if text and "ensure" not in text:
            self.failures.append(f"a POST was answered with {text}")
        self.told.add(answer.split()[1])
        self.keys.setdefault(key, []).append(answer)

    async def _change(self, work: Coroutine[Any, Any, Any], op: str) -> None:
        try:
            await work
        except (NotFound, Conflict, Unavailable):
            return
        except SubmarineError as error:
            if f" {op}" not in str(error):
                self.failures.append(f"a {op} was answered with: {error}")

    async def _stop(self, service: Service, experiment_id: str) -> None:
        before = len(self.failures)
        await self._change(service.experiments.stop(ME, experiment_id), "stop")
        if len(self.failures) == before and await self.read(experiment_id) is not None:
            self.stopped.add(experiment_id)

    async def _delete(self, service: Service, experiment_id: str, *, purge: bool) -> None:
        try:
            await service.experiments.delete(ME, experiment_id, purge=purge)
        except (NotFound, Unavailable):
            return
        except SubmarineError as error:
            if " delete" not in str(error):
                self.failures.append(f"a deletion was answered with: {error}")
            return
        self.deleted.add(experiment_id)

    async def _hear(self, service: Service) -> None:
        """Note every id that an event tells of."""
        async for message in service._feed.stream(None):
            if message is not None:
                self.told.add(json.loads(message.data)["experimentId"])

    async def _listen(
        self, service: Service, experiment_id: str, go: asyncio.Event, heard: list[str], *, logs: bool
    ) -> None:
        try:
            if logs:
                stream = await service.logs.follow(ME, experiment_id)
            else:
                stream = service._feed.stream(None, experiment_id)
            async for message in stream:
                if message is not None:
                    heard.append(message.event)
                await go.wait()
        except NotFound:
            heard.append("end")

    async def _abandon(self, tasks: set[asyncio.Task[None]]) -> None:
        for task in list(tasks):
            task.cancel()
        with contextlib.suppress(Exception):
            await asyncio.gather(*tasks, return_exceptions=True)


def _target(service: Service) -> CommandedTarget:
    target = service.compute_targets["local"]
    assert isinstance(target, CommandedTarget)
    return target


async def _agreed(leader: Service) -> bool:
    """Whether a server has compared the database with the world since the last change."""
    before = await leader.db.read(events.last_seq)
    leader._leader._doubt.set()
    await asyncio.sleep(0.03)
    return before == await leader.db.read(events.last_seq)


async def damage(folder: Path) -> None:
    """Make the database unreadable, as a dying disk would."""
    for name in ("submarine.db-wal", "submarine.db-journal", "submarine.db-shm"):
        (folder / name).unlink(missing_ok=True)
    file = folder / "submarine.db"
    file.write_bytes(b"\xff" * file.stat().st_size)


async def known_ids(service: Service) -> set[str]:
    """Return the ids of all rows, deleted ones too."""
    found = await service.db.read(lambda tx: experiments.ids_after(tx, "local", 0))
    return set(found[1])
