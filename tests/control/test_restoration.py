"""A row is written again from a record that nobody else can have written, and what runs is not extended by it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from submarine_jupyter.errors import Conflict, InvalidSpec
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.orders import outbox
from tests.control.conftest import opened
from tests.control.house import ME, House, damage

BODY: dict[str, Any] = {
    "meta": {"name": "n", "framework": "PyTorch", "cmd": "train", "envVars": {"PASSWORD": "hunter2"}},
    "spec": {"Worker": {"replicas": 1}},
    "code": {"syncMode": "inline", "files": {"train.py": "print()"}},
}


async def restored(house: House, *, whole: bool) -> str:
    """Run an experiment, and lose its row: what the target has of it is all there is."""
    house.world.whole = whole
    accepted = await house.service.submissions.create(ME, BODY)
    made = str(json.loads(accepted.experiment)["experimentId"])
    await house.quiet()
    await house.service.db.write(lambda tx: experiments.forget(tx, made))
    await house.close()
    await house.open()
    await house.quiet()
    return made


async def shown(house: House, experiment_id: str) -> dict[str, Any]:
    found = await house.read(experiment_id)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "change",
    [
        {"spec": {"Worker": {"replicas": 2}}},
        {"meta": {"cmd": "other"}},
        {"meta": {"envVars": {"PASSWORD": "other"}}},
        {"code": {"files": {"train.py": "print(1)"}}},
    ],
)
async def test_what_runs_of_a_restored_experiment_cannot_be_changed(tmp_path: Path, change: dict[str, Any]) -> None:
    async with opened(tmp_path, reconcile_seconds=1000) as house:
        made = await restored(house, whole=False)
        before = house.world.things[made].launch
        with pytest.raises(Conflict, match="restored from the cluster") as refused:
            await house.service.experiments.patch(ME, made, change, merge=True)
        assert "Clone it" in (refused.value.hint or "")
        await house.quiet()
        assert house.world.things[made].launch == before


@pytest.mark.parametrize("merge", [False, True])
async def test_a_restored_experiment_can_be_named_anew_and_nothing_is_ordered(tmp_path: Path, merge: bool) -> None:
    async with opened(tmp_path, reconcile_seconds=1000) as house:
        made = await restored(house, whole=False)
        before = house.world.things[made].launch
        spec = (await shown(house, made))["spec"]
        body = {"meta": {"name": "other", "tags": ["t"]}}
        whole = spec | {"meta": spec["meta"] | body["meta"]}
        changed = await house.service.experiments.patch(ME, made, body if merge else whole, merge=merge)
        assert (changed.row.name, changed.note) == ("other", None)
        assert await house.service.db.read(outbox.ordered) == frozenset()
        assert house.world.things[made].launch == before
        assert (await shown(house, made))["spec"]["code"]["files"] == {"train.py": None}


async def test_a_restored_experiment_says_so_and_is_observed_stopped_and_deleted(tmp_path: Path) -> None:
    async with opened(tmp_path, reconcile_seconds=1000) as house:
        made = await restored(house, whole=False)
        now = await shown(house, made)
        assert (now["status"], now["detail"]["owner"]) == ("Running", "me")
        assert "restored from the cluster" in now["detail"]["notes"][0]
        assert now["spec"]["meta"]["envVars"] == {"PASSWORD": "******"}
        await house.service.experiments.stop(ME, made)
        await house.quiet()
        assert (await shown(house, made))["detail"]["state"] == "Stopped"
        await house.service.experiments.delete(ME, made)
        await house.quiet()
        assert house.world.things[made].buried
        assert await house.read(made) is None


async def test_a_clone_of_a_restored_experiment_asks_for_what_is_not_known(tmp_path: Path) -> None:
    async with opened(tmp_path, reconcile_seconds=1000) as house:
        made = await restored(house, whole=False)
        spec = (await shown(house, made))["spec"]
        with pytest.raises(InvalidSpec, match=r"code\.files\.train\.py: is null"):
            await house.service.submissions.create(ME, spec)
        spec["code"]["files"] = {"train.py": "print()"}
        with pytest.raises(InvalidSpec, match=r"meta\.envVars\.PASSWORD"):
            await house.service.submissions.create(ME, spec)


async def test_a_restored_experiment_that_is_gone_is_not_made_again(tmp_path: Path) -> None:
    async with opened(tmp_path, reconcile_seconds=1000) as house:
        house.world.slots = 0
        made = await restored(house, whole=False)
        assert (await shown(house, made))["status"] == "Accepted"
        house.world.things.clear()
        house.service._leader._doubt.set()
        await house.quiet()
        for _ in range(3):
            await house.close()
            await house.open()
            await house.quiet()
        assert house.world.things == {}


async def test_a_record_with_everything_in_it_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    async with opened(tmp_path, reconcile_seconds=1000) as house:
        made = await restored(house, whole=True)
        await house.service.experiments.patch(ME, made, {"spec": {"Worker": {"replicas": 2}}}, merge=True)
        await house.quiet()
        launch = house.world.things[made].launch
        assert launch.spec.spec["Worker"].replicas == 2
        assert launch.spec.meta.env_vars["PASSWORD"] == "hunter2"
        assert (await shown(house, made))["detail"]["notes"] == []


async def test_a_row_that_is_behind_a_record_without_secrets_is_a_restored_one(tmp_path: Path) -> None:
    async with opened(tmp_path, reconcile_seconds=1000) as house:
        accepted = await house.service.submissions.create(ME, BODY)
        made = str(json.loads(accepted.experiment)["experimentId"])
        await house.quiet()
        await house.service.db.backup()
        await house.service.experiments.patch(ME, made, {"meta": {"envVars": {"PASSWORD": "new"}}}, merge=True)
        await house.quiet()
        house.world.whole = False
        await damaged(house)
        now = await shown(house, made)
        assert (now["status"], now["detail"]["attempt"]) == ("Running", 2)
        with pytest.raises(Conflict, match="restored from the cluster"):
            await house.service.experiments.patch(ME, made, {"spec": {"Worker": {"replicas": 2}}}, merge=True)
        assert house.world.things[made].launch.spec.meta.env_vars["PASSWORD"] == "new"


async def damaged(house: House) -> None:
    """Lose the database, and go on with the newest backup."""
    await house.close()
    await damage(house.config.data_dir)
    await house.open()
    await house.quiet()
