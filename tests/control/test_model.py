"""Orders, waits, refusals, restarts and restored backups in any order: what was told stays true.

The database and the servers are real; the world behind them is commanded, so that chance chooses when a target is slow,
refuses, fails, or does its work and cannot say so.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from submarine_jupyter.models import Status
from submarine_jupyter_server.control import delivery as outbox_module
from submarine_jupyter_server.control import groups
from submarine_jupyter_server.control import neighbours as neighbours_module
from submarine_jupyter_server.control import reconcile as reconcile_module
from submarine_jupyter_server.opening import wiring as service_module
from submarine_jupyter_server.opening.wiring import Service
from tests.control.house import FINAL, GROUPED, House, damage, known_ids
from tests.control.world import RUNNING, Trouble
from tests.snapshots import check_remembered

CHANGES: dict[str, dict[str, Any]] = {
    "scale": {"spec": {"Worker": {"replicas": 3}}},
    "scale back": {"spec": {"Worker": {"replicas": 1}}},
    "anew": {"meta": {"cmd": "train more"}},
    "rename": {"meta": {"name": "other"}},
}
DEEDS = ("anew", *CHANGES, "stop", "delete", "purge")
CLASHES = (
    ("stop", "anew"), ("anew", "stop"), ("scale", "stop"), ("anew", "delete"), ("stop", "delete"), ("anew", "anew"),
)  # fmt: skip
# Of a call: at once; while the caller waits; when he was answered; not before a rule says so.
moments = st.sampled_from(("now", "soon", "late", "held"))
troubles = st.sampled_from(("ok", "refuse", "forbid", "unavailable", "unknown", "crash"))
which = st.integers(0, 3)
# Some 35 stories of many small waits: each takes a second or two, more on a busy machine.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every wait of the servers be short."""
    monkeypatch.setattr(outbox_module, "INLINE_S", 0.05)
    monkeypatch.setattr(outbox_module, "MAX_BACKOFF_S", 0.05)
    monkeypatch.setattr(reconcile_module, "ABSENT_AGAIN_S", 0.05)
    monkeypatch.setattr(neighbours_module, "SHARED_S", 0.05)
    monkeypatch.setattr(service_module, "_targets", service_module._targets)


class Interleavings(RuleBasedStateMachine):
    """Everything that people, servers and a target can do to each other."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp(prefix="submarine-model-"))
        self.house = self.run(self._begin())

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    async def _begin(self) -> House:
        house = House(self.folder)
        await house.open()
        return house

    def server(self, number: int) -> Service:
        service: Service = self.house.services[number % len(self.house.services)]
        return service

    def some(self, number: int) -> str | None:
        told = sorted(self.house.told)
        return told[number % len(told)] if told else None

    def go_on(self, *, hurry: bool = False) -> None:
        """Let the servers work for a moment, or hardly at all."""

        async def pause() -> None:
            await asyncio.sleep(0 if hurry else 0.02)
            await self.house.report()

        self.run(pause())
        if not hurry:
            self.check_told()

    def ahead(self, trouble: str, when: str) -> None:
        """Say what becomes of the next call to the target, and when."""
        if when != "now":
            self.house.world.gate.clear()
        if (trouble, when) != ("ok", "now"):
            end, reason = ("refuse", "NoPermission") if trouble == "forbid" else (trouble, "Denied")
            self.house.world.troubles.append(Trouble(end, when != "now", reason=reason))

    def behind(self, when: str, *, hurry: bool) -> None:
        """Go on until the call has come to its end, where it is not held up for longer."""
        if when == "late":
            self.release()
        elif when == "soon":
            self.run(asyncio.sleep(0.01))
            self.house.world.gate.set()
        self.go_on(hurry=hurry)

    def do(self, what: str, experiment_id: str, server: int) -> None:
        """Begin to change an experiment."""
        house, service = self.house, self.server(server)
        if what == "stop":
            work: Callable[[], None] = partial(house.stop, service, experiment_id)
        elif what in ("delete", "purge"):
            work = partial(house.delete, service, experiment_id, purge=what == "purge")
        else:
            work = partial(house.patch, service, experiment_id, CHANGES[what])
        self.run(_now(work))

    # What people do

    @initialize()
    def begin(self) -> None:
        """Let two experiments run."""
        for key in ("a", "b"):
            self.run(_now(partial(self.house.create, self.house.service, key)))
        self.run(self.house.quiet())

    @rule(key=st.sampled_from(("a", "b", *GROUPED)), times=st.integers(1, 2), server=which, trouble=troubles,
          when=moments, hurry=st.booleans())  # fmt: skip
    def create(self, key: str, times: int, server: int, trouble: str, when: str, hurry: bool) -> None:
        self.ahead(trouble, when)
        for _ in range(times):
            self.run(_now(partial(self.house.create, self.server(server), key)))
        self.behind(when, hurry=hurry)

    @rule(of=which, what=st.sampled_from(DEEDS), server=which, trouble=troubles, when=moments, hurry=st.booleans())
    def change(self, of: int, what: str, server: int, trouble: str, when: str, hurry: bool) -> None:
        """Do something to an experiment."""
        if experiment_id := self.some(of):
            self.ahead(trouble, when)
            self.do(what, experiment_id, server)
            self.behind(when, hurry=hurry)

    @rule(of=which, both=st.sampled_from(CLASHES),
          trouble=troubles, when=moments)  # fmt: skip
    def clash(self, of: int, both: tuple[str, str], trouble: str, when: str) -> None:
        """Do two things at the same time, perhaps through two servers."""
        if experiment_id := self.some(of):
            self.ahead(trouble, when)
            for server, what in enumerate(both):
                self.do(what, experiment_id, server)
            self.behind(when, hurry=False)

    @rule(of=which, server=which, logs=st.booleans(), slow=st.booleans())
    def listen(self, of: int, server: int, logs: bool, slow: bool) -> None:
        if experiment_id := self.some(of):
            self.run(_now(partial(self.house.listen, self.server(server), experiment_id, logs=logs, slow=slow)))
            self.go_on()

    # What the world does

    @rule()
    def release(self) -> None:
        """Let the slow calls come to their end."""
        self.run(asyncio.sleep(0.06))  # everybody who waits has been answered
        self.house.world.gate.set()
        self.go_on()

    @rule(of=which, well=st.booleans())
    def end(self, of: int, well: bool) -> None:
        """Let a training come to its end."""
        thing = self.house.world.things.get(self.some(of) or "")
        if thing is not None and RUNNING in thing.attempts.values():
            thing.end(Status.SUCCEEDED if well else Status.FAILED, "ReplicaFailed")
            self.go_on()

    # What happens to servers

    @rule()
    def know(self) -> None:
        """Once all trouble is over, a new server knows what was made, and nothing else."""
        house = self.house
        self.run(house.quiet())
        while house.services:
            self.run(house.close())
        self.run(house.open())
        there = sorted(name for name, thing in house.world.things.items() if thing.made and not thing.buried)
        assert house.given == [house.world.things[name].made for name in there]

    @rule()
    def join(self) -> None:
        """Start another server beside the first one."""
        if len(self.house.services) < 2:
            self.run(self.house.open())

    @rule(second=st.booleans())
    def restart(self, second: bool) -> None:
        """End the first server, with another one beside it or not."""
        if second and len(self.house.services) < 2:
            self.run(self.house.open())
        self.run(self.house.close())
        if not self.house.services:
            self.run(self.house.open())
        self.go_on()

    @rule()
    def old_age(self) -> None:
        self.run(self.house.forget_events())

    @rule(of=which, what=st.sampled_from(DEEDS), wait=st.booleans())
    def lose(self, of: int, what: str, wait: bool) -> None:
        """Do something, then lose the database: a backup of before and what runs are all that is left."""
        house = self.house
        saved = self.run(self._back_up())
        if experiment_id := self.some(of):
            self.do(what, experiment_id, 0)
            if wait:
                self.run(house.quiet())

        async def lose() -> None:
            while house.services:
                await house.close()
            await damage(self.folder)
            await house.open()

        self.run(lose())
        # What neither the backup nor the world knows had nowhere to survive; answers of after the backup are gone.
        house.told &= saved | house.world.things.keys()
        house.keys.clear()
        house.world.exact = False
        house.stopped.clear()
        house.deleted = {name for name in house.deleted if (thing := house.world.things.get(name)) and thing.buried}
        self.go_on()

    async def _back_up(self) -> set[str]:
        # Read first: what is committed while the backup is written may be missing in it.
        known = await known_ids(self.house.service)
        await self.house.service.db.backup()
        return known

    # What must hold

    def check_told(self) -> None:
        """Nothing that anybody was told is taken back."""
        house = self.house
        assert not house.failures, house.failures
        assert not house.world.crowded, house.world.crowded
        for key, answers in house.keys.items():
            assert len(set(answers)) == 1, (key, answers)
        for experiment_id in house.told | house.deleted:
            shown = self.run(house.read(experiment_id)) is not None
            if experiment_id in house.deleted:
                assert not shown, f"{experiment_id} was deleted and is shown"
            elif experiment_id not in house.deleting:
                assert shown, f"{experiment_id} was told of and is gone"

    @rule()
    def quiet(self) -> None:
        """Once all trouble is over, what is shown is what runs."""
        house = self.house
        self.run(house.quiet())
        self.check_told()
        for service in house.services:
            self.run(check_remembered(service._row_feed, service.db))
        rows = self.run(house.rows())
        running = house.world.processes
        for name, attempt in running:
            assert name in rows, f"attempt {attempt} of {name} runs, and it is not shown"
            assert rows[name]["detail"]["attempt"] == attempt, (name, attempt, rows[name]["detail"])
        for name, row in rows.items():
            assert row["status"] in FINAL or name not in house.stopped, f"{name} was stopped: {row['detail']}"
            if row["status"] in FINAL:
                assert name not in dict(running), f"{name} is {row['status']} and runs"
                continue
            if row["detail"]["reason"] == groups.REASON:
                assert name not in house.world.things, f"{name} waits in its group, and its target has it"
                kin = [other for other, thing in house.world.things.items() if thing.group and other in rows]
                assert [other for other in kin if rows[other]["status"] not in FINAL], f"{name} waits for nobody"
                continue
            thing = house.world.things[name]
            wire = thing.launch.spec.wire()
            assert row["detail"]["attempt"] == thing.launch.attempt, name
            assert wire["spec"]["Worker"]["replicas"] == row["spec"]["spec"]["Worker"]["replicas"], name
            assert wire["meta"]["cmd"] == row["spec"]["meta"]["cmd"], name
            now = thing.attempts[thing.launch.attempt]
            assert {"Queued": "Accepted"}.get(now, now) == row["status"], (name, now, row["detail"])
        for listener in house.listeners:
            row_of = rows.get(listener.experiment_id)
            if row_of is None or row_of["status"] in FINAL:
                self.run(_ends(listener.task))
                assert listener.heard[-1:] == ["end"], (listener.experiment_id, listener.heard)

    def teardown(self) -> None:
        try:
            self.quiet()
            self.know()
            self.everybody_hears_the_end()
        finally:
            self.run(self._over())
            self.loop.close()
            shutil.rmtree(self.folder)

    def everybody_hears_the_end(self) -> None:
        """Whoever waits for what has ended is told so, whenever he comes."""
        house = self.house
        for name in self.run(house.rows()):
            self.run(_now(partial(house.stop, house.service, name)))
        self.quiet()
        for forgotten in (False, True):
            if forgotten:
                self.run(house.forget_events())
            for name in self.run(house.rows()):
                for logs in (False, True):
                    self.run(_now(partial(house.listen, house.service, name, logs=logs, slow=False)))
            self.quiet()
        assert house.world.processes == []

    async def _over(self) -> None:
        self.house.world.calm()
        while self.house.services:
            await self.house.close()


async def _now(work: Any) -> None:
    work()
    await asyncio.sleep(0)


async def _ends(task: asyncio.Task[None]) -> None:
    async with asyncio.timeout(5):
        await asyncio.wait([task])


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(
    max_examples=35,
    stateful_step_count=15,
    deadline=None,
    print_blob=True,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # a long story tells enough, to shorten it takes too long
)
