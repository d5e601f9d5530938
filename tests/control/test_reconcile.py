"""Rows and targets are brought into line, each experiment by itself, and nothing is gone that was only not seen."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from submarine_jupyter.errors import TargetUnavailable
from submarine_jupyter.models import Status
from submarine_jupyter_server.control import reconcile as reconcile_module
from submarine_jupyter_server.opening.wiring import Service
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.reported import objects
from submarine_jupyter_server.targets.protocol import Absence, Inventory
from tests.control.conftest import opened
from tests.control.house import House
from tests.control.test_delivery import create
from tests.control.world import CommandedTarget


def target_of(service: Service) -> CommandedTarget:
    target = service.compute_targets["local"]
    assert isinstance(target, CommandedTarget)
    return target


async def compare(house: House, times: int = 1) -> None:
    for _ in range(times):
        await house.service._leader._reconcile.run()
        await asyncio.sleep(0.06)  # longer than what was absent once is given


async def shown(house: House, experiment_id: str) -> dict[str, Any]:
    found = await house.read(experiment_id)
    assert found is not None
    return found


async def test_what_is_gone_twice_has_failed_and_so_have_its_replicas(tmp_path: Path) -> None:
    async with opened(tmp_path, reconcile_seconds=1000) as house:
        made = await create(house)
        await house.quiet()
        house.world.things.clear()
        await compare(house)
        before = await shown(house, made)
        assert before["status"] == "Running"
        await compare(house, 3)
        now = await shown(house, made)
        assert (now["status"], now["detail"]["reason"]) == ("Failed", "ExternallyDeleted")
        assert [(replica["status"], replica["pid"]) for replica in now["detail"]["replicas"]] == [("Stopped", None)]


@pytest.mark.parametrize("how", ["unknown", "unavailable", "a namespace that was not seen", "back again"])
async def test_what_was_only_not_seen_is_not_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    async with opened(tmp_path, reconcile_seconds=1000) as house:
        made = await create(house)
        await house.quiet()
        times = 0

        async def inventory(settled: Collection[str] = ()) -> Inventory:
            nonlocal times
            times += 1
            if how == "unavailable":
                raise TargetUnavailable("the folder is not there")
            if how == "back again" and times % 2 == 0:
                return await CommandedTarget.inventory(target_of(house.service), settled)
            unknown = frozenset({made} if how == "unknown" else ())
            return Inventory((), frozenset({"other"}) if "namespace" in how else None, unknown)

        monkeypatch.setattr(target_of(house.service), "inventory", inventory)
        await compare(house, 6)
        assert (await shown(house, made))["status"] == "Running"


async def test_one_that_cannot_be_compared_is_set_aside_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, reconcile_seconds=1000) as house:
        names = [await create(house) for _ in range(2)]
        await house.quiet()
        for name in names:
            house.world.things[name].end(Status.SUCCEEDED, "")
        found = target_of(house.service)._found

        def poisoned(name: str) -> Any:
            item = found(name)
            if name == names[0]:
                assert item.observation is not None
                # More than the database can hold.
                return replace(item, observation=replace(item.observation, finished_ms=10**30))
            return item

        monkeypatch.setattr(target_of(house.service), "_found", poisoned)
        await compare(house, 2)
        assert (await shown(house, names[1]))["status"] == "Succeeded"
        assert (await shown(house, names[0]))["status"] == "Running"
        reconcile = house.service._leader._reconcile
        assert list(reconcile.aside) == [names[0]]
        await house.service._leader._compare_once()
        assert any(names[0] in notice for notice in house.service.notices)
        monkeypatch.undo()
        await house.service._leader._compare_once()
        assert not any(names[0] in notice for notice in house.service.notices)
        assert (await shown(house, names[0]))["status"] == "Succeeded"


async def test_history_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path, reconcile_seconds=1000) as house:
        names = [await create(house) for _ in range(3)]
        await house.quiet()
        house.world.things[names[0]].end(Status.SUCCEEDED, "")
        await house.quiet()
        await house.service.db.write(lambda tx: objects.erase(tx, names[0]))
        asked: list[Collection[str]] = []
        inventory = target_of(house.service).inventory

        async def watched(settled: Collection[str] = ()) -> Inventory:
            asked.append(settled)
            return await inventory(settled)

        monkeypatch.setattr(target_of(house.service), "inventory", watched)
        await compare(house, 2)
        assert [(names[0] in settled, names[1] in settled) for settled in asked] == [(True, False)] * 2
        assert set(asked[0]) == {names[0]}


async def test_a_row_that_is_behind_takes_over_what_its_target_knows(tmp_path: Path) -> None:
    async with opened(tmp_path, reconcile_seconds=1000) as house:
        made = await create(house)
        await house.quiet()
        thing = house.world.things[made]
        spec = thing.launch.spec.model_copy(deep=True)
        spec.spec["Worker"].replicas = 4
        thing.launch = replace(thing.launch, spec=spec, generation=7, attempt=3)
        thing.end()
        thing.attempts[3] = "Running"
        await compare(house)
        now = await shown(house, made)
        assert (now["detail"]["generation"], now["detail"]["attempt"], now["status"]) == (7, 3, "Running")
        assert now["spec"]["spec"]["Worker"]["replicas"] == 4


async def test_a_record_that_others_can_write_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path, reconcile_seconds=1000) as house:
        made = await create(house)
        await house.quiet()
        thing = house.world.things[made]
        thing.launch = replace(thing.launch, generation=999_999)
        found = target_of(house.service)._found
        monkeypatch.setattr(target_of(house.service), "_found", lambda name: replace(found(name), authentic=False))
        await compare(house)
        assert (await shown(house, made))["detail"]["generation"] == 1


async def test_a_deletion_that_the_database_does_not_know_stands(tmp_path: Path) -> None:
    async with opened(tmp_path, reconcile_seconds=1000) as house:
        made = await create(house)
        await house.quiet()
        house.world.things[made].buried = True
        await compare(house)
        assert await house.read(made) is None


async def test_what_is_to_be_stopped_is_stopped_again_if_its_order_was_lost(tmp_path: Path) -> None:
    async with opened(tmp_path, reconcile_seconds=1000) as house:
        made = await create(house)
        await house.quiet()

        def lose(tx: Connection) -> None:
            experiments.request_stop(tx, made, 1)

        await house.service.db.write(lose)
        await compare(house)
        await house.quiet()
        now = await shown(house, made)
        assert (now["status"], now["detail"]["state"]) == ("Failed", "Stopped")


async def test_what_never_began_is_given_again(tmp_path: Path) -> None:
    async with opened(tmp_path, reconcile_seconds=1000) as house:
        house.world.slots = 0
        made = await create(house)
        await house.quiet()
        assert (await shown(house, made))["status"] == "Accepted"
        await house.service.db.write(lambda tx: objects.erase(tx, made))
        house.world.things.clear()
        house.world.slots = 1
        await compare(house, 3)
        await house.quiet()
        assert (await shown(house, made))["status"] == "Running"


async def test_what_was_made_and_is_gone_is_not_run_a_second_time(tmp_path: Path) -> None:
    async with opened(tmp_path, reconcile_seconds=1000) as house:
        house.world.slots = 0
        made = await create(house)
        await house.quiet()
        house.world.things.clear()
        house.world.slots = 1
        await compare(house, 3)
        await house.quiet()
        now = await shown(house, made)
        assert (now["status"], now["detail"]["message"]) == ("Failed", "somebody deleted it")
        assert house.world.things == {}


async def test_the_cause_of_an_absence_is_what_the_target_says(tmp_path: Path) -> None:
    async with opened(tmp_path, reconcile_seconds=1000) as house:
        made = await create(house)
        await house.quiet()
        house.world.things.clear()
        house.world.absence = Absence("ResultNotKept", "it ended while this server was away")
        await compare(house, 3)
        now = await shown(house, made)
        assert (now["status"], now["detail"]["reason"]) == ("Failed", "ResultNotKept")
        assert now["detail"]["message"] == "it ended while this server was away"


@pytest.mark.parametrize("how", ["unavailable", "hangs", "a fault"])
async def test_nothing_ends_before_its_target_says_why_it_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(reconcile_module, "ABSENCE_S", 0.05)
    async with opened(tmp_path, reconcile_seconds=1000) as house:
        stuck, other = [await create(house) for _ in range(2)]
        await house.quiet()
        house.world.things.clear()
        calm = target_of(house.service).absence

        async def absence(experiment_id: str) -> Absence:
            if experiment_id == other:
                return house.world.absence
            if how == "unavailable":
                raise TargetUnavailable("the cluster does not answer")
            if how == "hangs":
                await asyncio.sleep(1000)
            raise RuntimeError("a fault")

        monkeypatch.setattr(target_of(house.service), "absence", absence)
        await compare(house, 4)
        assert (await shown(house, stuck))["status"] == "Running"
        assert (await shown(house, other))["status"] == "Failed"
        assert house.world.concluded == [(other, 1)]
        assert list(house.service._leader._reconcile.aside) in ([], [stuck] if how == "a fault" else [])
        how = "unavailable"
        await compare(house, 1)
        assert house.service._leader._reconcile.again
        monkeypatch.setattr(target_of(house.service), "absence", calm)
        await compare(house, 3)
        assert (await shown(house, stuck))["status"] == "Failed"


async def test_an_end_that_the_target_has_not_told_is_not_taken_from_what_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A target whose last lines are still on their way reports what has ended as running, also after a restart."""
    async with opened(tmp_path, reconcile_seconds=1000) as house:
        made = await create(house)
        await house.quiet()
        found, target = target_of(house.service)._found(made), target_of(house.service)
        house.world.things[made].end(Status.SUCCEEDED, "")
        monkeypatch.setattr(target, "_found", lambda name: found)
        await compare(house, 3)
        assert (await shown(house, made))["status"] == "Running"
        await target.report()
        await compare(house, 3)
        assert (await shown(house, made))["status"] == "Succeeded"


async def test_what_stays_unreadable_is_named_and_what_was_hidden_for_a_moment_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, reconcile_seconds=1000) as house:
        names = [await create(house) for _ in range(2)]
        await house.quiet()
        hidden = [frozenset(names), frozenset(names[:1])]

        async def inventory(settled: Collection[str] = ()) -> Inventory:
            return Inventory((), unknown=hidden.pop(0) if len(hidden) > 1 else hidden[0])

        reconcile = house.service._leader._reconcile
        await compare(house)
        monkeypatch.setattr(target_of(house.service), "inventory", inventory)
        await reconcile.run()
        assert reconcile.again
        assert reconcile.aside == {}
        await reconcile.run()
        assert list(reconcile.aside) == names[:1]


async def test_what_was_made_is_known_until_it_is_gone_for_sure(tmp_path: Path) -> None:
    async with opened(tmp_path, reconcile_seconds=1000) as house:
        names = [await create(house) for _ in range(2)]
        await house.quiet()
        for name in names:
            house.world.things[name].end(Status.SUCCEEDED, "")
        await house.quiet()
        await compare(house, 3)

        async def known() -> list[str]:
            made = await house.service.db.read(lambda tx: objects.all_of(tx, "local"))
            return [item.experiment_id for item in made]

        assert await known() == names
        del house.world.things[names[0]]
        await compare(house, 1)
        assert await known() == names
        await compare(house, 2)
        assert await known() == names[1:]


async def test_a_row_that_is_written_again_knows_what_was_made(tmp_path: Path) -> None:
    async with opened(tmp_path, reconcile_seconds=1000) as house:
        made = await create(house)
        await house.quiet()
        await house.service.db.write(lambda tx: experiments.forget(tx, made))
        for _ in range(2):
            await house.close()
            await house.open()
            await house.quiet()
        assert house.given == [house.world.things[made].made]


@pytest.mark.parametrize("ended", [False, True])
async def test_what_was_made_later_than_is_known_is_kept_though_its_row_knows_the_order(
    tmp_path: Path, ended: bool
) -> None:
    """The answer to an order did not come, and another order took its place."""
    async with opened(tmp_path, reconcile_seconds=1000) as house:
        made = await create(house)
        await house.quiet()
        now = house.world.things[made].made
        assert now is not None
        if ended:
            house.world.things[made].end()
            await house.quiet()
        older = replace(now, generation=0, objects=(replace(now.objects[0], uid="of yesterday"),))
        await house.service.db.write(lambda tx: objects.put(tx, older))
        await compare(house)
        assert await house.service.db.read(lambda tx: objects.of(tx, made)) == now
        newer = replace(now, generation=9)
        await house.service.db.write(lambda tx: objects.put(tx, newer))
        await compare(house)
        assert await house.service.db.read(lambda tx: objects.of(tx, made)) == newer
