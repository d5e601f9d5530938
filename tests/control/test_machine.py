"""A machine that is always full, with real processes: what is shown is what runs, and all that runs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from submarine_jupyter.errors import SubmarineError
from submarine_jupyter_server.config import ServiceConfig
from submarine_jupyter_server.opening.wiring import Service
from submarine_jupyter_server.store.experiments import Query
from submarine_jupyter_server.store.orders import outbox
from submarine_jupyter_server.wire.answers.experiments import shown_json
from tests.control.house import ME

PATIENCE_S = 30.0
CPUS = 2
MARKER = re.compile(rb"SUBMARINE_JUPYTER_REPLICA=([0-9a-f-]+)/([0-9]+)/")
FINAL = ("Succeeded", "Failed")
which = st.integers(0, 3)


class FullMachine(RuleBasedStateMachine):
    """Experiments that ask for more than the machine has, changed, stopped and deleted in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp(prefix="submarine-machine-"))
        self.config = ServiceConfig(self.folder, local_cpus=CPUS, grace_seconds=0.5, reconcile_seconds=0.5)
        self.service: Service = self.run(Service.open(self.config))
        self.uids: dict[str, str] = {}  # uid -> id
        self.calls: set[asyncio.Task[None]] = set()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    @rule(cpu=st.integers(1, CPUS), seconds=st.sampled_from((0, 60, 60)), hurry=st.booleans())
    def create(self, cpu: int, seconds: int, hurry: bool) -> None:
        self.begin(self._create(cpu, seconds), hurry=hurry)

    @rule(of=which, what=st.sampled_from(("anew", "more", "less", "stop", "delete")),
          then=st.sampled_from(("anew", "more", "stop", "delete", None)), hurry=st.booleans())  # fmt: skip
    def change(self, of: int, what: str, then: str | None, hurry: bool) -> None:
        """Do something, or two things at the same time."""
        if known := sorted(self.uids.values()):
            name = known[of % len(known)]
            for deed in (what, then) if then else (what,):
                self.begin(self._change(name, deed), hurry=True)
            self.begin(asyncio.sleep(0), hurry=hurry)

    @rule(of=which)
    def kill(self, of: int) -> None:
        """Let a training end by itself, badly."""
        if running := [pid for pid, uid, _ in marked() if uid in self.uids]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(running[of % len(running)], signal.SIGKILL)

    @rule()
    def restart(self) -> None:
        async def again() -> Service:
            await asyncio.gather(*self.calls, return_exceptions=True)
            await self.service.close()
            return await Service.open(self.config)

        self.service = self.run(again())

    @rule()
    def quiet(self) -> None:
        """Wait until what is shown is what runs."""
        self.run(self._quiet())

    def begin(self, work: Coroutine[Any, Any, None], *, hurry: bool) -> None:
        async def start() -> None:
            task = asyncio.create_task(work)
            self.calls.add(task)
            task.add_done_callback(self.calls.discard)
            await asyncio.sleep(0 if hurry else 0.2)

        self.run(start())

    async def _create(self, cpu: int, seconds: int) -> None:
        accepted = await self.service.submissions.create(
            ME,
            {
                "meta": {"name": "m", "framework": "PyTorch", "cmd": f"sleep {seconds}"},
                "spec": {"Worker": {"replicas": 1, "resources": f"cpu={cpu}"}},
            },
        )
        made = json.loads(accepted.experiment)
        self.uids[made["uid"]] = made["experimentId"]

    async def _change(self, name: str, what: str) -> None:
        changes = {
            "anew": {"meta": {"cmd": f"sleep {60 + time.monotonic_ns() % 1000}"}},
            "more": {"spec": {"Worker": {"replicas": 2}}},
            "less": {"spec": {"Worker": {"replicas": 1}}},
        }
        experiments = self.service.experiments
        with contextlib.suppress(SubmarineError):  # larger than the machine, deleted, being stopped
            if what == "stop":
                await experiments.stop(ME, name)
            elif what == "delete":
                await experiments.delete(ME, name)
            else:
                await experiments.patch(ME, name, changes[what], merge=True)

    async def _quiet(self) -> None:
        until, wrong = time.monotonic() + PATIENCE_S, "nothing was seen"
        while time.monotonic() < until:
            await asyncio.gather(*self.calls, return_exceptions=True)
            if not (wrong := await self._wrong()):
                return
            await asyncio.sleep(0.05)
        raise AssertionError(wrong)

    async def _wrong(self) -> str:
        """Return what is shown and does not run so, or the reverse; empty if there is nothing."""
        if await self.service.db.read(outbox.ordered):
            return "an order is under way"
        experiments = self.service.experiments
        listed = (await experiments.list(ME, Query())).rows
        rows = [json.loads(shown_json(await experiments.get(ME, row.id, full=True))) for row in listed]
        shown = {row["uid"]: row for row in rows}
        running = {(uid, attempt) for _, uid, attempt in marked() if uid in self.uids}
        for uid, attempt in running:
            row = shown.get(uid)
            if row is None:
                return f"{self.uids[uid]} is deleted, and its attempt {attempt} runs"
            if row["status"] in FINAL or row["detail"]["attempt"] != attempt:
                return f"attempt {attempt} of {row['experimentId']} runs, shown is {row['status']} {row['detail']}"
        capacity: Any = await self.service.compute_targets["local"].capacity()
        for uid, row in shown.items():
            if row["status"] == "Running" and (uid, row["detail"]["attempt"]) not in running:
                return f"{row['experimentId']} is shown as Running, and does not"
            if row["status"] == "Accepted" and row["experimentId"] not in capacity["queued"]:
                return f"{row['experimentId']} waits, and is in no queue: {row['detail']}"
        used = sum(
            int(row["spec"]["spec"]["Worker"]["resources"].partition("=")[2])
            * sum(replica["status"] == "Running" for replica in row["detail"]["replicas"])
            for row in rows
        )
        if capacity["cpu"]["used"] != used:
            return f"{capacity['cpu']['used']} cpu are taken for used, {used} are"
        return ""

    def teardown(self) -> None:
        try:
            self.quiet()
            for name in list(self.uids.values()):
                self.begin(self._change(name, "delete"), hurry=True)
            self.quiet()
        finally:
            self.run(self.service.close())
            self.loop.close()
            for pid, uid, _ in marked():
                if uid in self.uids:
                    os.kill(pid, signal.SIGKILL)
            shutil.rmtree(self.folder)


def marked() -> list[tuple[int, str, int]]:
    """Return (pid, uid, attempt) of every process that carries the mark of a replica."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and (mark := MARKER.search((entry / "environ").read_bytes())):
                found.append((int(entry.name), mark[1].decode(), int(mark[2])))
    return found


TestFullMachine = FullMachine.TestCase
TestFullMachine.settings = settings(
    max_examples=20,
    stateful_step_count=12,
    deadline=None,
    print_blob=True,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
