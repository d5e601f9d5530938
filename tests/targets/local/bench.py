"""A local target with real processes, and a record of what it observed."""

from __future__ import annotations

import asyncio
import itertools
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from submarine_jupyter.models import ExperimentSpec, Status
from submarine_jupyter_server.targets.local.target import LocalTarget
from submarine_jupyter_server.targets.protocol import Launch, Observation

PATIENCE_S = 40.0
_counter = itertools.count(1)


class Bench:
    """One data directory, the targets on it, and all that they observed."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.seen: list[Observation] = []
        self.targets: list[LocalTarget] = []
        self._news = asyncio.Event()

    async def target(self, **options: Any) -> LocalTarget:
        """Start a target, as a server that starts would."""
        target = LocalTarget(self.data_dir, **{"cpus": 4, "grace_s": 1.0, **options})
        self.targets.append(target)
        await target.start(self._record, lambda: None)
        return target

    async def close(self) -> None:
        """Close all targets; what runs goes on."""
        for target in self.targets:
            await target.close()

    async def _record(self, observation: Observation) -> None:
        self.seen.append(observation)
        self._news.set()

    async def until(self, launch: Launch, holds: Callable[[Observation], bool]) -> Observation:
        """Wait for an observation of which something holds."""
        end = time.monotonic() + PATIENCE_S
        while True:
            for observation in self.of(launch):
                if holds(observation):
                    return observation
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), end - time.monotonic())
            except TimeoutError:
                pytest.fail(f"never seen; only {self.of(launch)}")

    async def end(self, launch: Launch) -> Observation:
        """Wait for the end of an experiment."""
        return await self.until(launch, lambda observation: observation.status.final)

    async def status(self, launch: Launch, status: Status) -> Observation:
        """Wait until an experiment has a status."""
        return await self.until(launch, lambda observation: observation.status is status)

    def of(self, launch: Launch) -> list[Observation]:
        """Return what was observed of an attempt."""
        key = (launch.uid, launch.attempt)
        return [observation for observation in self.seen if (observation.uid, observation.attempt) == key]

    def folder(self, launch: Launch) -> Path:
        """Return the folder of an attempt."""
        return self.data_dir / "runs" / launch.experiment_id / str(launch.attempt)

    def workspace(self, launch: Launch) -> Path:
        """Return the folder that the replicas of an attempt work in."""
        return self.data_dir / "work" / launch.experiment_id / str(launch.attempt)

    def log(self, launch: Launch, replica: str = "worker-0") -> bytes:
        """Return all bytes a replica wrote."""
        folder = self.folder(launch) / "logs" / replica
        return b"".join(path.read_bytes() for path in sorted(folder.glob("*.log")))

    def processes(self, launch: Launch) -> list[psutil.Process]:
        """Return all processes of an experiment that live, shims not included."""
        found = []
        for process in psutil.process_iter():
            try:
                marker = process.environ().get("SUBMARINE_JUPYTER_REPLICA", "")
                if marker.startswith(launch.uid) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found

    def shims(self, launch: Launch) -> list[psutil.Process]:
        """Return the supervising processes of an attempt."""
        folder = str(self.folder(launch))
        return [
            process
            for process in psutil.process_iter(["cmdline", "status"])
            if folder in (process.info["cmdline"] or []) and process.info["status"] != psutil.STATUS_ZOMBIE
        ]


def launch(cmd: str, *, framework: str = "Standalone", **more: Any) -> Launch:
    """Return a launch; ``tasks`` are the roles, ``runtime`` and ``code`` as on the wire."""
    tasks = more.pop("tasks", {"Worker": {"replicas": 1, "resources": "cpu=100m"}})
    meta = {"name": "test", "namespace": "default", "framework": framework, "cmd": cmd, **more.pop("meta", {})}
    return Launch(
        experiment_id=f"experiment-{time.time_ns() // 1_000_000}-{next(_counter):04}",
        uid=str(uuid.uuid4()),
        owner="me",
        name="test",
        spec=ExperimentSpec.parse({"meta": meta, "spec": tasks, **more}),
        attempt=1,
        generation=1,
        accepted_ms=time.time_ns() // 1_000_000,
    )


def scaled(old: Launch, **replicas: int) -> Launch:
    """Return the next generation of a launch, with other numbers of replicas."""
    wire = old.spec.wire()
    for role, count in replicas.items():
        wire["spec"][role]["replicas"] = count
    return replace(old, spec=ExperimentSpec.parse(wire), generation=old.generation + 1)


async def eventually(holds: Callable[[], bool | Awaitable[bool]], what: str) -> None:
    """Wait until something holds."""
    end = time.monotonic() + PATIENCE_S
    while True:
        result = holds()
        if result if isinstance(result, bool) else await result:
            return
        if time.monotonic() > end:
            pytest.fail(f"not in time: {what}")
        await asyncio.sleep(0.02)
